"""A machine's disk: the initial root tree, and the effect of userdata."""

import io
import os
import tarfile
from pathlib import Path

from localcloud.machines.systems import System, os_release
from localcloud.parts import MachineSpec, Userdata, UserdataKind

_FOLDERS = (
    "boot", "dev", "etc/apt/sources.list.d", "etc/init.d", "etc/ssh", "etc/sysctl.d",
    "etc/systemd/system", "etc/yum.repos.d", "home", "opt", "proc/sys/net/bridge",
    "proc/sys/net/ipv4", "root", "run/lock", "srv", "sys/fs/cgroup", "sys/module",
    "usr/local/bin", "usr/local/sbin", "var/cache", "var/lib", "var/log",
)  # fmt: skip
_SWAP_HEADER = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
SWAP_UNIT = "dev-vdb.swap"


class OutsideDisk(PermissionError):
    """A path leads out of the machine's disk."""


def lay_out(disk: Path, spec: MachineSpec, system: System) -> None:
    """Create the root tree of a new machine; existing files stay."""
    for folder in _FOLDERS:
        (disk / folder).mkdir(parents=True, exist_ok=True)
    (disk / "tmp").mkdir(mode=0o1777, exist_ok=True)
    (disk / "root").chmod(0o700)
    files = {
        "etc/os-release": os_release(system),
        "etc/hostname": f"{spec.hostname}\n",
        "etc/hosts": f"127.0.0.1\tlocalhost\n{spec.address}\t{spec.hostname}\n",
        "etc/fstab": "/dev/vda1 / ext4 defaults 0 1\n/dev/vdb none swap sw 0 0\n",
        "etc/qingcloud/instance-id": f"{spec.instance_id}\n",
        "proc/meminfo": _meminfo(spec.memory_mib),
        "proc/sys/net/ipv4/ip_forward": "0\n",
        "proc/swaps": f"{_SWAP_HEADER}/dev/vdb\t\t\t\tpartition\t2097148\t\t0\t\t-2\n",
    }
    for name, text in files.items():
        path = disk / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    _authorize(disk, spec)


def _meminfo(memory_mib: int) -> str:
    """Render /proc/meminfo with a fifth in use, as `free` reports; nothing is measured."""
    total = memory_mib * 1024
    sizes = {"MemTotal": total, "MemFree": total * 6 // 10, "MemAvailable": total * 8 // 10}
    return "".join(f"{name + ':':<16}{size:>8} kB\n" for name, size in sizes.items())


def _authorize(disk: Path, spec: MachineSpec) -> None:
    home = disk / ("root" if spec.login_user == "root" else f"home/{spec.login_user}")
    home.mkdir(parents=True, exist_ok=True)
    folder = home / ".ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    keys = folder / "authorized_keys"
    keys.write_text("".join(f"{line}\n" for line in spec.authorized_keys), encoding="utf-8")
    keys.chmod(0o600)


def apply_userdata(disk: Path, userdata: Userdata) -> None:
    """Apply userdata as the cloud does before a machine's first boot.

    Raises:
        tarfile.TarError: the archive cannot be read, or a member leads out of the disk.
    """
    match userdata.kind:
        case UserdataKind.TAR:
            with tarfile.open(fileobj=io.BytesIO(userdata.content)) as archive:
                for member in archive.getmembers():
                    # "/" of the archive is the machine's; owners of the host are ignored.
                    member.name = member.name.lstrip("/")
                    member.uid, member.gid = os.getuid(), os.getgid()
                    archive.extract(member, disk, filter="tar")
        case UserdataKind.EXEC:
            script = inside(disk, userdata.path or "/etc/rc.local")
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_bytes(userdata.content)
            script.chmod(0o755)
        case UserdataKind.PLAIN:
            folder = inside(disk, userdata.path or "/etc/qingcloud/userdata")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "userdata.string").write_bytes(userdata.content)


def inside(disk: Path, path: str | Path, folder: Path | None = None) -> Path:
    """Map a path of a script to the file on the disk, following links.

    A script writes `${SYSROOT}/etc/…`, userdata `/etc/…`; both mean the same file. A relative
    path starts in `folder`.

    Raises:
        OutsideDisk: it leads out of the disk.
    """
    root = disk.resolve()
    given = Path(path)
    if not given.is_absolute():
        given = (folder or disk) / given
    elif not given.is_relative_to(disk) and not given.is_relative_to(root):
        given = disk / given.relative_to("/")
    found = given.resolve()
    if not found.is_relative_to(root):
        raise OutsideDisk(f"{path}: Permission denied")
    return found


def read_hosts(disk: Path) -> dict[str, str]:
    """Read the addresses in /etc/hosts by name; the first line of a name counts."""
    addresses: dict[str, str] = {}
    hosts = disk / "etc/hosts"
    for line in hosts.read_text(encoding="utf-8").splitlines() if hosts.exists() else ():
        address, *names = line.partition("#")[0].split() or [""]
        for name in names:
            addresses.setdefault(name, address)
    return addresses


def swap_is_on(disk: Path) -> bool:
    """Return whether /proc/swaps has an entry."""
    swaps = disk / "proc/swaps"
    return swaps.exists() and len(swaps.read_text(encoding="utf-8").splitlines()) > 1


def turn_swap(disk: Path, *, on: bool) -> None:
    """Write /proc/swaps as `swapon -a` or `swapoff -a` would."""
    line = "/dev/vdb\t\t\t\tpartition\t2097148\t\t0\t\t-2\n" if on and _swap_in_fstab(disk) else ""
    (disk / "proc/swaps").write_text(_SWAP_HEADER + line, encoding="utf-8")


def _swap_in_fstab(disk: Path) -> bool:
    fstab = disk / "etc/fstab"
    lines = fstab.read_text(encoding="utf-8").splitlines() if fstab.exists() else []
    return any(line.split()[2:3] == ["swap"] for line in lines if not line.startswith("#"))
