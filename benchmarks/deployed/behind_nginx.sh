#!/bin/bash
# behind_nginx.sh HOST PORT APP [SOCKET]: nginx, with uvicorn behind it on a Unix socket, or on TCP without SOCKET.
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$folder"' EXIT
trap exit TERM INT
if [ -n "$4" ]; then
  upstream="unix:$folder/app.sock" bind=(--uds "$folder/app.sock")
else
  upstream="127.0.0.1:$(($2 + 1))" bind=(--port $(($2 + 1)))
fi
cat > "$folder/nginx.conf" <<CONF
user $(id -un) $(id -gn); worker_processes 1; daemon off; pid nginx.pid; error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  upstream app { server $upstream; keepalive 64; keepalive_requests 1000000; }
  server {
    listen $1:$2; keepalive_requests 1000000;
    location / {
      proxy_pass http://app; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_set_header Host \$http_host;
      proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
    }
  }
}
CONF
uvicorn "${bind[@]}" --no-access-log --log-level warning "$3" &
nginx -e stderr -p "$folder" -c "$folder/nginx.conf" &
wait -n
