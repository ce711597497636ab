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

readonly KEPT_AUTHORITY="$STATE_DIR/authority"

# forget_attempt: a broken init or join leaves files on which the next one trips.
# kubeadm reset deletes the certificate authority too; a whole one was given to us and is kept.
forget_attempt() {
  say "removing what an unfinished attempt left behind"
  if [[ -f $KUBERNETES_DIR/pki/ca.crt && -f $KUBERNETES_DIR/pki/ca.key ]]; then
    rm -rf "$KEPT_AUTHORITY.fresh" "$KEPT_AUTHORITY"
    (umask 077 && mkdir "$KEPT_AUTHORITY.fresh")
    cp -p "$KUBERNETES_DIR/pki/ca.crt" "$KUBERNETES_DIR/pki/ca.key" "$KEPT_AUTHORITY.fresh/"
    mv "$KEPT_AUTHORITY.fresh" "$KEPT_AUTHORITY"
  fi
  run kubeadm reset -f
}

# restore_authority: put the kept authority back, also one that a run kept which was cut off then;
# one that was given since counts more.
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
}
