# shellcheck shell=bash
# Joining a cluster, as a node or as a further master. Sourced, never run.
#
# Settings: API_ENDPOINT, API_ADDRESS, JOIN_TOKEN, CA_HASH, API_WAIT and those of node_registration; with
# CERTIFICATE_KEY the machine becomes a master.

join_file() {
  cat <<END
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    apiServerEndpoint: "$API_ENDPOINT"
    token: "$JOIN_TOKEN"
    caCertHashes: ["$CA_HASH"]
$(node_registration)
$(control_plane)
timeouts:
  discovery: 1m0s # of silence, for a token that the cluster does not know; 5m0s by default
END
}

# control_plane: what makes a master of it. The key decrypts the keys that all masters share.
control_plane() {
  [[ -n ${CERTIFICATE_KEY:-} ]] || return 0
  cat <<END
controlPlane:
  certificateKey: "$CERTIFICATE_KEY"
  localAPIEndpoint:
    advertiseAddress: "$NODE_IP"
    bindPort: 6443
END
}

# join_cluster FILE: kubeadm join with its configuration in FILE, which holds secrets and is deleted.
join_cluster() {
  # Only checks for an answer; kubeadm verifies the certificate.
  wait_until "$API_WAIT" api_answers ||
    die "$E_API" "Nothing answers at $API_ENDPOINT ($API_ADDRESS); are the load balancer's listener and the firewall rules applied?"
  wait_until 20 token_is_known ||
    die "$E_JOIN" "The cluster does not know the join token ${JOIN_TOKEN%.*}: it has run out, or is of another cluster. Make a new one: kubeadm token create"
  join_file | write_file "$1" 0600
  run_join "$1"
  rm -f "$1"
}

# A Node of this name that is still Ready, as after a reset, is refused until its last heartbeat is old.
run_join() {
  local deadline=$((SECONDS + 90))
  CHANGED=1
  until direct kubeadm join --config "$1" 2>&1 | keep_output; do
    if grep -q 'status "Ready" already exists' "$OUTPUT" && ((SECONDS < deadline)); then
      say "waiting until the node $NODE_NAME of before is no longer Ready"
      sleep 5
      forget_attempt # over the files of this one the next would fail
      continue
    fi
    # Both hold the token; that pki/ca.crt exists tells the next run of this attempt.
    rm -f "$1" "$KUBERNETES_DIR/bootstrap-kubelet.conf"
    die "$E_JOIN" "kubeadm join failed; see the lines above."
  done
}

# cluster-info is open to everybody, and has a signature for each token that is valid.
token_is_known() {
  [[ $(direct curl -sSk --connect-timeout 5 --max-time 10 \
    "https://$API_ENDPOINT/api/v1/namespaces/kube-public/configmaps/cluster-info" 2>/dev/null) \
    == *"\"jws-kubeconfig-${JOIN_TOKEN%.*}\""* ]]
}

# The hash of the authority's public key, as kubeadm writes it.
authority_hash() {
  local sum
  sum=$(openssl x509 -in "$KUBERNETES_DIR/pki/ca.crt" -noout -pubkey |
    openssl pkey -pubin -outform DER | sha256sum)
  say "sha256:${sum%% *}"
}

api_answers() {
  direct curl -fsSk --connect-timeout 5 --max-time 10 -o /dev/null "https://$API_ENDPOINT/livez" 2>/dev/null
}
