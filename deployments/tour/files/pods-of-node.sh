docker ps | grep -c k8s_nginx_ || true
# counts the containers of nginx on this machine; grep ends with 1 where it counts none
