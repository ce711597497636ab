# shellcheck shell=bash
# etcd on a master. Sourced, never run.
#
# Its client is in the image of etcd and nowhere else, so it runs in the container of this master's member.

readonly ETCD_PKI='/etc/kubernetes/pki/etcd' # as in the container

# etcdctl_at ENDPOINT WORD…: waits no longer than a few seconds for an answer.
etcdctl_at() {
  local endpoint=$1 container
  shift
  container=$(crictl --timeout 20s ps --name '^etcd$' --state Running -q 2>/dev/null | head -n 1)
  if [[ -z $container ]]; then
    warn "no container of etcd runs on this master; look at: crictl ps -a, journalctl -u kubelet"
    return 1
  fi
  crictl --timeout 20s exec "$container" etcdctl --endpoints "$endpoint" --command-timeout 5s \
    --cacert "$ETCD_PKI/ca.crt" --cert "$ETCD_PKI/healthcheck-client.crt" \
    --key "$ETCD_PKI/healthcheck-client.key" "$@"
}

etcdctl() { etcdctl_at https://127.0.0.1:2379 "$@"; }
