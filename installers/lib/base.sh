# shellcheck shell=bash
# Shared by all installers: messages, phases, settings, files. Sourced, never run.
#
# Every absolute target is written ${SYSROOT}/…; SYSROOT is empty on a real machine.

: "${SYSROOT:=}"
readonly STATE_DIR="${SYSROOT}/var/lib/k8s-installer"
readonly KUBERNETES_DIR="${SYSROOT}/etc/kubernetes"
export LC_ALL=C
shopt -s inherit_errexit lastpipe # lastpipe: `… | write_file` must be able to set CHANGED

# Exit codes, the same in all installers. The scripts' headers list them; a test compares.
readonly E_UNEXPECTED=1 E_USAGE=2
readonly E_OS=10 E_CGROUP=11 E_KERNEL=12 E_ROOT=13 E_BUSY=14 E_SPACE=15
readonly E_MIRROR=20 E_PACKAGES=21 E_IMAGES=22 E_RUNTIME=23
readonly E_INIT=30 E_JOIN=31 E_API=32 E_NETWORK=33 E_UI=34 E_ETCD=35 E_UPGRADE=36 E_CERTIFICATES=37

INSTALLER=${0##*/}
CHANGED=0     # whether the running phase has changed anything
CHANGES=0     # how many phases have changed anything
DRY_RUN=0
CURRENT=start # the running phase
FAILURE=
FINISHED=0    # whether the installer came to its end
REPORTER=     # the process that reports while the installer is silent
PHASES=()     # finished phases as name=word

say() { printf '%s\n' "$*"; }
warn() { printf 'WARNING %s\n' "$*" >&2; }

# die CODE SENTENCE: end with one plain sentence. Not for use inside $(…).
die() {
  local code=$1
  shift
  FAILURE=$*
  trap - ERR
  trap '' PIPE # where nobody reads the sentence, the code and the result still count
  printf 'ERROR %s\n' "$*" >&2 || true
  exit "$code"
}

unexpected() {
  local code=$1 line=$2 command=$3
  trap - ERR
  die "$E_UNEXPECTED" "phase ${CURRENT}, line ${line}: ${command%%$'\n'*} ended with ${code}"
}

# Phases that change the machine report `ok` when they did, `skipped` when nothing had to change.
phase() {
  local word=skipped
  CURRENT=$1
  CHANGED=0
  say "PHASE $1 start"
  doing "$1"
  "phase_$1"
  if ((CHANGED)); then
    word=ok
    CHANGES=$((CHANGES + 1))
  fi
  PHASES+=("$1=$word")
  say "PHASE $1 $word"
}

# Phases that only check report `ok` or end the installer.
check() {
  CURRENT=$1
  say "PHASE $1 start"
  doing "$1"
  "check_$1"
  PHASES+=("$1=ok")
  say "PHASE $1 ok"
}

# run COMMAND…: a command that changes the machine.
run() {
  CHANGED=1
  if ((DRY_RUN)); then
    printf '+'
    printf ' %q' "$@"
    printf '\n'
  else
    "$@"
  fi
}

# retry TIMES COMMAND…: retries after 2, 4, 6 … seconds. The command runs without errexit.
retry() {
  local times=$1 attempt
  shift
  for ((attempt = 1; ; attempt++)); do
    "$@" && return 0
    ((attempt < times)) || return 1
    sleep $((attempt * 2))
  done
}

# wait_until SECONDS COMMAND…: checks at once, then each half second, until the deadline.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.5
  done
}

# doing WHAT: what is done now, for the lines of `report_silence`.
readonly DOING="${SYSROOT}/run/k8s-installer.doing"
doing() {
  ((DRY_RUN)) || { printf '%s\n' "$*" >"$DOING"; } 2>/dev/null || true
}

# report_silence: a line each ten seconds until the installer ends, so that a long step is visible.
# It looks each second whether the installer lives, and has no child of its own, such as `sleep`, that
# would outlive it and keep the connection's output open. Where nobody reads its lines any more, the
# connection has broken, and the installer ends as at its own next line.
report_silence() {
  local seconds=0
  trap - ERR EXIT HUP INT
  trap '' PIPE
  trap 'exit 0' TERM
  exec 9>&- # the lock belongs to the installer
  exec {never}<> <(:)
  while ! read -r -t 1 -u "$never" && kill -0 $$ 2>/dev/null; do
    if ((++seconds % 10 == 0)); then
      printf 'STILL %s, %d s\n' "$(<"$DOING")" "$seconds" 2>/dev/null || { kill -HUP $$ && return 0; }
    fi
  done
}

# need_space FOLDER MIB WHAT: refuse a disk that is too full before anything is written to it.
need_space() {
  local available
  available=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }')
  ((available >= $2)) ||
    die "$E_SPACE" "The disk has $available MiB left at ${1#"$SYSROOT"}, and $3 need $2 MiB; free some space, or use a larger disk."
}

# write_file PATH MODE < content: replaces the file in one step, and only if it differs. The old file
# stays where the new one cannot be written whole.
write_file() {
  local path=$1 mode=$2 fresh='' content why
  content=$(
    cat
    printf x # keeps the newlines at the end
  )
  if [[ -f $path ]] && cmp -s "$path" <(printf '%s' "${content%x}"); then
    return 0
  fi
  CHANGED=1
  if ((DRY_RUN)); then
    say "+ write ${path#"$SYSROOT"} ($mode)"
    return 0
  fi
  if ! why=$(
    exec 2>&1
    mkdir -p "${path%/*}" && fresh=$(umask 077 && mktemp "${path%/*}/.fresh.XXXXXX") || exit 1
    # shellcheck disable=SC2320 # an error of either command counts
    printf '%s' "${content%x}" >"$fresh" && cmp "$fresh" <(printf '%s' "${content%x}") &&
      chmod "$mode" "$fresh" && mv -f "$fresh" "$path" && exit 0
    rm -f "$fresh"
    exit 1
  ); then
    die "$E_SPACE" "${path#"$SYSROOT"} cannot be written: ${why##*: }. Free some space, or look why the disk refuses it."
  fi
  say "wrote ${path#"$SYSROOT"}"
}

# file_sum FILE…: one word that changes when any of the files does.
file_sum() {
  cat -- "$@" 2>/dev/null | sha256sum | cut -c1-32
}

need_settings() {
  local name
  for name in "$@"; do
    [[ -n ${!name:-} ]] || die "$E_USAGE" "The setting $name is missing; --help lists all settings."
  done
}

help() { sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; }

# read_arguments WORDS ARGUMENT…: sets DRY_RUN and STEP, reads the env file.
read_arguments() {
  local words=$1
  shift
  STEP=
  while (($#)); do
    case $1 in
      --help | -h) help && exit 0 ;;
      --dry-run) DRY_RUN=1 ;;
      --env)
        (($# > 1)) || die "$E_USAGE" "--env needs the path of a file."
        read_env_file "$2"
        shift
        ;;
      *)
        [[ " $words " == *" $1 "* ]] || die "$E_USAGE" "Unknown argument: $1; --help says what is known."
        STEP=$1
        ;;
    esac
    shift
  done
}

# Settings hold secrets, so the file must be readable by its owner only.
read_env_file() {
  [[ -f $1 ]] || die "$E_USAGE" "The settings file $1 does not exist."
  [[ -z $(find "$1" -perm /077) ]] || die "$E_USAGE" "The settings file $1 must have mode 0600."
  [[ $1 == */* ]] || set -- "./$1" # without a slash, `.` would search the PATH
  # shellcheck source=/dev/null
  . "$1"
}

need_root() {
  [[ $(id -u) == 0 ]] || die "$E_ROOT" "This installer must run as root."
}

# One installer at a time: two would conflict over packages and files.
take_lock() {
  mkdir -p "${SYSROOT}/run/lock" "$STATE_DIR" ||
    die "$E_SPACE" "The disk takes no folder at ${STATE_DIR#"$SYSROOT"}; see the line above."
  exec 9>"${SYSROOT}/run/lock/k8s-installer.lock"
  flock -w "${LOCK_WAIT:-600}" 9 || die "$E_BUSY" "Another installer has been running here for ${LOCK_WAIT:-600} s."
}

# json_text TEXT: as the inside of a JSON string.
json_text() {
  local text=${1//[[:cntrl:]]/ }
  text=${text//\\/\\\\}
  printf '%s' "${text//\"/\\\"}"
}

# The result for programs, beside the output for users: ${SYSROOT}/var/lib/k8s-installer/result.json.
write_result() {
  local code=$1 word=failed entry phases='' failure=$FAILURE
  ((DRY_RUN)) && return 0
  [[ -d $STATE_DIR && -w $STATE_DIR ]] || return 0
  if ((code == 0 && !FINISHED)); then # such as a shell that a broken connection ends
    code=$E_UNEXPECTED
    failure="cut off in phase $CURRENT"
  fi
  ((code == 0)) && word=unchanged
  ((code == 0 && CHANGES)) && word=changed
  for entry in ${PHASES[@]+"${PHASES[@]}"}; do
    phases+="${phases:+, }\"${entry%%=*}\": \"${entry#*=}\""
  done
  (
    umask 077
    printf '{"installer": "%s", "result": "%s", "exit_code": %d, "phase": "%s", "phases": {%s}, "kubernetes": "%s", "package_mirror": "%s", "image_repository": "%s", "refused_mirrors": "%s", "failure": "%s", "seconds": %d}\n' \
      "$INSTALLER" "$word" "$code" "$CURRENT" "$phases" "${K8S_VERSION:-}" "${CHOSEN_MIRROR:-}" "${IMAGES_FROM:-}" \
      "$(json_text "${REFUSED:-}")" "$(json_text "$failure")" "$SECONDS" >"$STATE_DIR/.result.json"
  ) && mv -f "$STATE_DIR/.result.json" "$STATE_DIR/result.json"
}

# begin ARGUMENTS-OF-main: what every installer does first.
begin() {
  trap 'unexpected $? $LINENO "$BASH_COMMAND"' ERR
  trap 'leave $?' EXIT
  # PIPE: the connection that reads our lines has broken.
  trap 'die "$E_UNEXPECTED" "ended by a signal in phase $CURRENT"' HUP INT TERM PIPE
  umask 022
  need_root
  ((DRY_RUN)) && return 0
  take_lock
  doing start
  report_silence &
  REPORTER=$!
}

leave() {
  end_reporter
  write_result "$1"
}

end_reporter() {
  if [[ -n $REPORTER ]]; then
    kill "$REPORTER" 2>/dev/null || true
    wait "$REPORTER" || true
    REPORTER=
  fi
}

finish() {
  FINISHED=1
  end_reporter # so that the last line is ours
  if ((CHANGES)); then
    say "DONE $1: $CHANGES phase(s) changed something."
  else
    say "DONE $1: nothing to do."
  fi
}
