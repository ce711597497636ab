"""A machine's kernel settings, modules and sysctls, as files on its disk."""

import shutil
from collections.abc import Iterator
from pathlib import Path

MODULES = ("br_netfilter", "ip_tables", "nf_conntrack", "overlay", "vxlan")
"""Modules that every kernel provides."""

_BRIDGE = "proc/sys/net/bridge"
_BRIDGE_SETTINGS = ("bridge-nf-call-ip6tables", "bridge-nf-call-iptables")


def start(disk: Path) -> None:
    """Boot: drop interfaces and runtime settings, and apply those of the configuration files."""
    shutil.rmtree(disk / "sys/class/net", ignore_errors=True)
    for module in (disk / "sys/module").iterdir():
        module.rmdir()
    for setting in (disk / _BRIDGE).iterdir():
        setting.unlink()
    (disk / "proc/sys/net/ipv4/ip_forward").write_text("0\n", encoding="utf-8")
    for file in sorted((disk / "etc/modules-load.d").glob("*.conf")):
        for name in _lines(file):
            if name in MODULES:
                load_module(disk, name)
    for name, value in configured_sysctls(disk):
        file = sysctl_file(disk, name)
        if file.is_file():
            file.write_text(f"{value}\n", encoding="utf-8")


def load_module(disk: Path, name: str) -> None:
    """Load a module; the sysctls of the bridge exist only with its module."""
    (disk / "sys/module" / name).mkdir(exist_ok=True)
    if name == "br_netfilter":
        for setting in _BRIDGE_SETTINGS:
            (disk / _BRIDGE / setting).write_text("1\n", encoding="utf-8")


def loaded_modules(disk: Path) -> list[str]:
    return sorted(path.name for path in (disk / "sys/module").iterdir())


def sysctl_file(disk: Path, name: str) -> Path:
    """Return the file of a setting such as `net.ipv4.ip_forward`, which may not exist."""
    return disk / "proc/sys" / name.replace(".", "/")


def configured_sysctls(disk: Path) -> Iterator[tuple[str, str]]:
    """Yield the settings in /etc/sysctl.d, in the order of its files."""
    for file in sorted((disk / "etc/sysctl.d").glob("*.conf")):
        yield from read_sysctls(file)


def read_sysctls(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the settings of one file."""
    for line in _lines(file):
        name, equals, value = line.partition("=")
        if equals:
            yield name.strip(), value.strip()


def _lines(file: Path) -> Iterator[str]:
    for line in file.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text:
            yield text
