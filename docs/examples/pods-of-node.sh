# How many containers of nginx run on this machine. grep ends with 1 where it counts none.
docker ps | grep -c k8s_nginx_ || true
