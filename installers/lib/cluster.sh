# shellcheck shell=bash
# Cluster functions of the master, node and UI installers. Sourced, never run.

readonly ADMIN_CONF="${KUBERNETES_DIR}/admin.conf"

# direct COMMAND…: without the proxies of /etc/environment, which reach a login: the cluster is on this
# machine's own network, and kubeadm would write them into the control plane's pods.
direct() {
  env -u http_proxy -u https_proxy -u all_proxy -u HTTP_PROXY -u HTTPS_PROXY -u ALL_PROXY "$@"
}

admin() { direct kubectl --kubeconfig "$ADMIN_CONF" "$@"; }

api_is_ready() { [[ $(admin get --raw /readyz 2>/dev/null) == ok ]]; }

# apply_manifest < yaml: prints what has changed.
apply_manifest() {
  local answer line
  answer=$(admin apply -f -) || return 1
  while read -r line; do
    if [[ -n $line && $line != *unchanged ]]; then
      CHANGED=1
      say "$line"
    fi
  done <<<"$answer"
}

# render_manifest FILE NAME=VALUE…: replaces each @NAME@ by its value.
render_manifest() {
  local file=$1 text entry
  shift
  text=$(<"$file")
  for entry in "$@"; do
    text=${text//"@${entry%%=*}@"/"${entry#*=}"}
  done
  printf '%s\n' "$text"
}

# pin_coredns: the pod capacity of nodes is for users; kubeadm would let CoreDNS run anywhere.
pin_coredns() {
  local answer
  answer=$(admin -n kube-system patch deployment coredns --type strategic \
    -p '{"spec": {"template": {"spec": {"nodeSelector": {"node-role.kubernetes.io/control-plane": ""}}}}}') || return 1
  [[ $answer == *"no change"* ]] || CHANGED=1
}

readonly KEPT_AUTHORITY="$STATE_DIR/authority"

# forget_attempt: a failed init or join leaves files over which the next one fails.
# kubeadm reset deletes the certificate authority, too; a complete one was supplied and is kept.
forget_attempt() {
  say "removing what an unfinished attempt left behind"
  if [[ -f $KUBERNETES_DIR/pki/ca.crt && -f $KUBERNETES_DIR/pki/ca.key ]]; then
    rm -rf "$KEPT_AUTHORITY.fresh" "$KEPT_AUTHORITY"
    (umask 077 && mkdir "$KEPT_AUTHORITY.fresh")
    cp -p "$KUBERNETES_DIR/pki/ca.crt" "$KUBERNETES_DIR/pki/ca.key" "$KEPT_AUTHORITY.fresh/"
    mv "$KEPT_AUTHORITY.fresh" "$KEPT_AUTHORITY"
  fi
  run direct kubeadm reset -f
  forget_pod_network
}

# forget_pod_network: kubeadm leaves it, and the node gets another network at its next registration,
# which the old bridge would not fit: the node would be Ready and start no pod.
forget_pod_network() {
  local link
  for link in cni0 flannel.1; do
    [[ ! -e ${SYSROOT}/sys/class/net/$link ]] || run ip link delete "$link"
  done
  run rm -rf "${SYSROOT}/etc/cni/net.d/10-flannel.conflist" "${SYSROOT}/run/flannel/subnet.env" \
    "${SYSROOT}/var/lib/cni/networks/cbr0"
}

# register_deleted_node: a kubelet whose Node object was deleted creates it again only when it starts.
register_deleted_node() {
  node_is_deleted || return 0
  say "the Node object of $NODE_NAME was deleted; kubelet registers it again when it starts"
  CHANGES=$((CHANGES + 1))
  systemctl stop kubelet
  forget_pod_network
  systemctl start kubelet
  wait_until 60 node_is_known ||
    die "$E_API" "The node $NODE_NAME has not registered again; look at: journalctl -u kubelet"
}

# With its own identity a kubelet may read its own Node.
own_node() { direct kubectl --kubeconfig "$KUBERNETES_DIR/kubelet.conf" get node "$NODE_NAME" -o name 2>&1; }
node_is_deleted() { [[ $(own_node || true) == *"(NotFound)"* ]]; }
node_is_known() { own_node >/dev/null; }

# restore_authority: put the kept authority back, also one of an interrupted run; one supplied since
# then has priority.
restore_authority() {
  [[ -d $KEPT_AUTHORITY ]] || return 0
  if [[ ! -f $KUBERNETES_DIR/pki/ca.key ]]; then
    mkdir -p "$KUBERNETES_DIR/pki"
    cp -p "$KEPT_AUTHORITY/ca.crt" "$KEPT_AUTHORITY/ca.key" "$KUBERNETES_DIR/pki/"
  fi
  rm -rf "$KEPT_AUTHORITY"
}

# node_registration: the part that init and join files share.
node_registration() {
  cat <<END
nodeRegistration:
  name: "$NODE_NAME"
  criSocket: $CRI_SOCKET
  imagePullPolicy: IfNotPresent
  kubeletExtraArgs:
  - name: node-ip
    value: "$NODE_IP"
  - name: node-labels
    value: "$NODE_LABELS"
END
  [[ -z ${NODE_TAINTS:-} ]] || node_taints
}

# node_taints: the taints with which the kubelet registers, so that no pod comes before them.
node_taints() {
  local taint pair
  echo "  taints:"
  for taint in ${NODE_TAINTS//,/ }; do
    pair=${taint%:*}
    printf '  - key: "%s"\n    effect: "%s"\n' "${pair%%=*}" "${taint##*:}"
    [[ $pair != *=* ]] || printf '    value: "%s"\n' "${pair#*=}"
  done
}
