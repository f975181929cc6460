"""gunicorn as many deploy it; its address and number of workers are given on the command line."""

worker_class = "uvicorn_worker.UvicornWorker"
preload_app = True
worker_tmp_dir = "/dev/shm"  # noqa: S108 - heartbeats in memory, as gunicorn's FAQ advises for containers
timeout = 60
graceful_timeout = 20
keepalive = 75  # longer than the proxy's or the load balancer's
backlog = 2048
loglevel = "warning"
accesslog = None  # the others write none either
forwarded_allow_ips = "127.0.0.1"
