"""All stand-ins by name, and the selection of each machine."""

from collections.abc import Iterable

from localcloud.machines.repositories import COMMANDS
from localcloud.machines.standins.apt import HANDLERS as APT
from localcloud.machines.standins.call import Handler
from localcloud.machines.standins.containers import HANDLERS as CONTAINERS
from localcloud.machines.standins.dnf import HANDLERS as DNF
from localcloud.machines.standins.keys import HANDLERS as KEYS
from localcloud.machines.standins.kubeadm import HANDLERS as KUBEADM
from localcloud.machines.standins.kubectl import HANDLERS as KUBECTL
from localcloud.machines.standins.services import HANDLERS as SERVICES
from localcloud.machines.standins.system import HANDLERS as SYSTEM
from localcloud.machines.standins.web import HANDLERS as WEB

HANDLERS: dict[str, Handler] = {
    **SYSTEM,
    **SERVICES,
    **APT,
    **DNF,
    **WEB,
    **CONTAINERS,
    **KEYS,
    **KUBEADM,
    **KUBECTL,
}

_PACKAGED = {command for commands in COMMANDS.values() for command in commands}

LOCAL_SCRIPTS = {
    # The real sudo does not work under the write guard; a user is only a name here.
    "sudo": """#!@BASH@
while [[ ${1:-} == -* ]]; do
  case $1 in
    -n | -E | -H | -S) shift ;;
    -u) [[ $2 == root ]] || exit 1; shift 2 ;;
    --) shift; break ;;
    *) echo "sudo: the local cloud's stand-in does not know '$1'" >&2; exit 2 ;;
  esac
done
export USER=root LOGNAME=root HOME="$SYSROOT/root"
exec "$@"
""",
}
"""Commands that change their own process only, which the daemon could not."""


def command_names(packager: str, installed: Iterable[str]) -> list[str]:
    """Return the commands of a machine with this package manager and these packages."""
    foreign = DNF if packager == "apt" else APT
    brought = {command for package in installed for command in COMMANDS.get(package, ())}
    return [
        name
        for name in HANDLERS
        if name not in foreign and (name not in _PACKAGED or name in brought)
    ]
