# shellcheck shell=bash
# What master, node and UI installers ask of the cluster. Sourced, never run.

readonly ADMIN_CONF="${KUBERNETES_DIR}/admin.conf"

admin() { kubectl --kubeconfig "$ADMIN_CONF" "$@"; }

api_is_ready() { [[ $(admin get --raw /readyz 2>/dev/null) == ok ]]; }

# apply_manifest < yaml: says what changed, and nothing about the rest.
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

# render_manifest FILE NAME=VALUE…: puts values in the places of @NAME@.
render_manifest() {
  local file=$1 text entry
  shift
  text=$(<"$file")
  for entry in "$@"; do
    text=${text//"@${entry%%=*}@"/"${entry#*=}"}
  done
  printf '%s\n' "$text"
}

# forget_attempt: a broken init or join leaves files on which the next one trips.
# kubeadm reset deletes the certificate authority too; a whole one was given to us and is put back.
forget_attempt() {
  local kept
  say "removing what an unfinished attempt left behind"
  kept=$(umask 077 && mktemp -d "$STATE_DIR/pki.XXXXXX")
  if [[ -f $KUBERNETES_DIR/pki/ca.key ]]; then
    cp -p "$KUBERNETES_DIR/pki/ca.crt" "$KUBERNETES_DIR/pki/ca.key" "$kept/"
  fi
  run kubeadm reset -f
  mkdir -p "$KUBERNETES_DIR/pki"
  find "$kept" -type f -exec mv -f {} "$KUBERNETES_DIR/pki/" ';'
  rmdir "$kept"
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
}
