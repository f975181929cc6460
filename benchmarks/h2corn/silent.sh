# Start a server with its output, the access log in particular, sent nowhere, as in h2corn's own benchmark.
exec "$@" >/dev/null 2>&1
