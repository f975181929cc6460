"""Nothing: gunicorn is given this file so that it reads no gunicorn.conf.py from its working directory."""
