#!/usr/bin/env bash
# List and remove the members of a cluster's etcd, on a master that serves.
#
# Usage: etcd_members.sh [--help] list | remove ID
#
#   list       one line a member: MEMBER ID healthy|unhealthy started|unstarted voter|learner PEER-URL NAME
#   remove ID  take a member out of the list; one that is not in it is accepted
#
# A member of a master that does not exist any more stays in the list, counts for the quorum, and
# keeps every other master from joining.
#
# Exit codes: 0 done, 1 unexpected, 2 wrong settings, 13 not root, 14 another installer runs, 15 disk full,
# 32 etcd does not answer, or has no quorum, 35 etcd refuses the removal.
# Worth a retry without a change: 14, 32.

set -Eeuo pipefail
HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
for part in base etcd; do
  # shellcheck source-path=SCRIPTDIR source=lib/base.sh source=lib/etcd.sh
  . "$HERE/lib/$part.sh"
done

main() {
  case "$# ${1:-}" in
    "1 --help" | "1 -h") help ;;
    "1 list") need_root && list_members ;;
    "2 remove") need_root && remove_member "$2" ;;
    *) die "$E_USAGE" "Usage: etcd_members.sh list | remove ID" ;;
  esac
}

read_members() {
  etcdctl member list || die "$E_API" "etcd does not answer; see the lines above. Without most of its members it has no quorum."
}

list_members() {
  local members id state name peer client learner health
  members=$(read_members) || exit
  while IFS=, read -r id state name peer client learner; do
    health=unhealthy
    if [[ -n ${client// /} ]] && etcdctl_at "${client// /}" endpoint health >/dev/null 2>&1; then
      health=healthy
    fi
    [[ ${learner// /} == true ]] && learner=learner || learner=voter
    say "MEMBER $id $health ${state// /} $learner ${peer// /} ${name// /}"
  done <<<"$members"
}

remove_member() {
  local members
  members=$(read_members) || exit
  if ! grep -q "^$1," <<<"$members"; then
    say "UNCHANGED the member $1 is not in the list"
    return 0
  fi
  etcdctl member remove "$1" || die "$E_ETCD" "etcd refuses to remove the member $1; see the lines above."
}

main "$@"
