"""The operating systems in the local cloud's images, as far as scripts can distinguish them."""

from dataclasses import dataclass

CGROUP2 = "cgroup2fs"
CGROUP1 = "tmpfs"  # what stat prints for the mount point of cgroup v1


@dataclass(frozen=True, slots=True)
class System:
    """One release of one distribution; `packager` is the command that installs packages."""

    id: str
    version: str
    name: str
    codename: str
    kernel: str
    cgroup: str
    packager: str


_RELEASES = (
    # id, version, name, codename, kernel, cgroup, packager
    ("ubuntu", "24.04", "Ubuntu 24.04.3 LTS", "noble", "6.8.0-84-generic", CGROUP2, "apt"),
    ("ubuntu", "22.04", "Ubuntu 22.04.5 LTS", "jammy", "5.15.0-157-generic", CGROUP2, "apt"),
    ("debian", "13", "Debian GNU/Linux 13 (trixie)", "trixie", "6.12.48-amd64", CGROUP2, "apt"),
    (
        "debian",
        "12",
        "Debian GNU/Linux 12 (bookworm)",
        "bookworm",
        "6.1.0-40-amd64",
        CGROUP2,
        "apt",
    ),
    ("rocky", "9", "Rocky Linux 9.6 (Blue Onyx)", "", "5.14.0-570.el9.x86_64", CGROUP2, "dnf"),
    ("rocky", "8", "Rocky Linux 8.10 (Green Obsidian)", "", "4.18.0-553.el8", CGROUP1, "dnf"),
    ("centos", "7", "CentOS Linux 7 (Core)", "", "3.10.0-1160.el7.x86_64", CGROUP1, "dnf"),
)
_KNOWN = {(release[0], release[1]): System(*release) for release in _RELEASES}


def find_system(os_id: str, version: str) -> System:
    """Return the facts of a release; for an unknown one, its name and defaults."""
    major = version.split(".")[0]
    known = _KNOWN.get((os_id, version)) or _KNOWN.get((os_id, major))
    return known or System(os_id, version, f"{os_id} {version}", "", "6.1.0", CGROUP2, "apt")


def os_release(system: System) -> str:
    """Render /etc/os-release."""
    lines = [
        f'PRETTY_NAME="{system.name}"',
        f'NAME="{system.name.split()[0]}"',
        f'VERSION_ID="{system.version}"',
        f"ID={system.id}",
    ]
    if system.codename:
        lines.append(f"VERSION_CODENAME={system.codename}")
    return "\n".join(lines) + "\n"
