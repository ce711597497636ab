"""Stand-ins that read or set facts of the system: names, clock, swap, modules, users."""

import re
from datetime import timedelta
from pathlib import Path

from localcloud.clock import stamp
from localcloud.machines import disk, kernel
from localcloud.machines.bridge import delete_link
from localcloud.machines.standins.call import Call, Failed, Handler, parse_args
from localcloud.parts import Component

_UNTIL_SYNCHRONISED = timedelta(minutes=2)


async def _id(call: Call) -> int:
    taken = parse_args(call, flags=("-u", "-n", "-g"), takes_words=False)
    number = 0 if call.user == "root" else 1000
    match sorted(taken.options):
        case ["-u"] | ["-g"]:
            await call.out(str(number))
        case ["-n", "-u"] | ["-g", "-n"]:
            await call.out(call.user)
        case []:
            await call.out(f"uid={number}({call.user}) gid={number}({call.user})")
        case _:
            raise call.unknown(" ".join(call.arguments))
    return 0


async def _whoami(call: Call) -> int:
    parse_args(call, takes_words=False)
    await call.out(call.user)
    return 0


async def _uname(call: Call) -> int:
    taken = parse_args(call, flags=("-r", "-m", "-s", "-n", "-a", "-p", "-i"), takes_words=False)
    system, name = call.context.system, call.context.read_hostname()
    parts = {"-s": "Linux", "-n": name, "-r": system.kernel, "-m": "x86_64"}
    aliases = {"-p": "-m", "-i": "-m"}
    wanted = {aliases.get(one, one) for one in taken.options} or {"-s"}
    if "-a" in wanted:
        wanted = set(parts)
    await call.out(" ".join(text for option, text in parts.items() if option in wanted))
    return 0


async def _nproc(call: Call) -> int:
    parse_args(call, takes_words=False)
    await call.out(str(call.context.spec.vcpus))
    return 0


async def _free(call: Call) -> int:
    parse_args(call, flags=("-m", "-h"), takes_words=False)
    size = call.context.spec.memory_mib
    swap = 2047 if disk.swap_is_on(call.context.disk) else 0
    await call.out(
        "               total        used        free\n"
        f"Mem:     {size:>11} {size // 5:>11} {size - size // 5:>11}\n"
        f"Swap:    {swap:>11} {0:>11} {swap:>11}"
    )
    return 0


async def _df(call: Call) -> int:
    """Show the system disk, which images fill; the size is a common one, as none is defined."""
    taken = parse_args(call, flags=("-P", "-k", "-h"))
    if "-h" in taken or len(taken.words) > 1 or not all(call.path(w).exists() for w in taken.words):
        raise call.unknown(" ".join(call.arguments))
    size = 40 * 1024 * 1024  # KiB
    used = 3 * 1024 * 1024 + len(call.context.state.images) * 150 * 1024
    if Component.DISK in call.context.failed:
        used = size
    await call.out(
        "Filesystem     1024-blocks     Used Available Capacity Mounted on\n"
        f"/dev/vda1      {size:>11} {used:>8} {size - used:>9} {100 * used // size:>7}% /"
    )
    return 0


async def _stat(call: Call) -> int:
    taken = parse_args(call, flags=("-f", "-L"), options=("-c", "--format", "-fc"))
    pattern = taken.value("-fc", "-c", "--format")
    if not pattern or not taken.words:
        raise call.unknown(" ".join(call.arguments))
    for word in taken.words:
        path = call.path(word)
        if not path.exists():
            raise Failed(f"stat: cannot statx '{word}': No such file or directory")
        if "-f" in taken or "-fc" in taken:
            at_cgroup = path == call.path("/sys/fs/cgroup")
            values = {"%T": call.context.system.cgroup if at_cgroup else "ext2/ext3"}
        else:
            facts = path.stat()
            values = {"%a": f"{facts.st_mode & 0o7777:o}", "%s": str(facts.st_size), "%n": word}
            values |= {
                "%U": "root",
                "%G": "root",
                "%u": "0",
                "%g": "0",
                "%Y": f"{facts.st_mtime:.0f}",
            }
        text = pattern
        for name, value in values.items():
            text = text.replace(name, value)
        if "%" in text:
            raise call.unknown(pattern)
        await call.out(text)
    return 0


async def _hostname(call: Call) -> int:
    taken = parse_args(call, flags=("-s", "-f", "-I", "-i"))
    if taken.words:
        raise Failed("hostname: use hostnamectl set-hostname")
    asks_address = "-I" in taken or "-i" in taken
    await call.out(call.context.spec.address if asks_address else call.context.read_hostname())
    return 0


async def _hostnamectl(call: Call) -> int:
    taken = parse_args(call, flags=("--static",))
    match taken.words:
        case ["set-hostname" | "hostname", name]:
            call.need_root()
            kept = re.sub(r"[^a-zA-Z0-9.-]", "", name)  # as systemd 255
            call.path("/etc/hostname").write_text(f"{kept}\n", encoding="utf-8")
        case [] | ["status"] | ["hostname"]:
            await call.out(call.context.read_hostname())
        case words:
            raise call.unknown(" ".join(words))
    return 0


def _synchronised(call: Call) -> str:
    """Return `no` in the first minutes of a boot."""
    booted, now = call.context.booted_at, call.context.shared.clock.now()
    return "no" if booted is not None and now - booted < _UNTIL_SYNCHRONISED else "yes"


async def _timedatectl(call: Call) -> int:
    taken = parse_args(call, flags=("--value",), options=("-p", "--property"))
    match taken.words:
        case ["show"]:
            wanted = taken.value("-p", "--property", default="NTPSynchronized")
            values = {"NTPSynchronized": _synchronised(call), "NTP": "yes", "Timezone": "UTC"}
            if wanted not in values:
                raise call.unknown(wanted)
            await call.out(values[wanted] if "--value" in taken else f"{wanted}={values[wanted]}")
        case [] | ["status"]:
            now = stamp(call.context.shared.clock.now())
            await call.out(
                f"      Universal time: {now}\nSystem clock synchronized: {_synchronised(call)}"
            )
        case ["set-ntp", _] | ["set-timezone", "UTC"]:
            call.need_root()
        case words:
            raise call.unknown(" ".join(words))
    return 0


async def _swapoff(call: Call) -> int:
    taken = parse_args(call, flags=("-a", "--all"))
    call.need_root()
    if taken.words or not taken.options:
        raise call.unknown(" ".join(call.arguments))
    disk.turn_swap(call.context.disk, on=False)
    return 0


async def _modprobe(call: Call) -> int:
    taken = parse_args(call, flags=("-a", "-q"))
    call.need_root()
    for module in taken.words:
        if module not in kernel.MODULES:
            raise Failed(
                f"modprobe: FATAL: Module {module} not found in directory "
                f"/lib/modules/{call.context.system.kernel}"
            )
        kernel.load_module(call.context.disk, module)
    return 0


async def _lsmod(call: Call) -> int:
    parse_args(call, takes_words=False)
    await call.out("Module                  Size  Used by")
    for module in kernel.loaded_modules(call.context.disk):
        await call.out(f"{module:<20} 32768  0")
    return 0


async def _sysctl(call: Call) -> int:
    taken = parse_args(call, flags=("--system", "-n", "-q", "-e"), options=("-w", "-p"))
    if "--system" in taken:
        wanted = list(kernel.configured_sysctls(call.context.disk))
    elif "-p" in taken:
        wanted = list(kernel.read_sysctls(call.path(taken.value("-p"))))
    elif "-w" in taken:
        name, _, value = taken.value("-w").partition("=")
        wanted = [(name, value)]
    else:
        return await _show_sysctls(call, taken.words, only_values="-n" in taken)
    call.need_root()
    for name, value in wanted:
        _sysctl_file(call, name).write_text(f"{value}\n", encoding="utf-8")
        if "-q" not in taken:
            await call.out(f"{name} = {value}")
    return 0


async def _show_sysctls(call: Call, names: list[str], *, only_values: bool) -> int:
    if not names:
        raise call.unknown(" ".join(call.arguments))
    for name in names:
        value = _sysctl_file(call, name).read_text(encoding="utf-8").strip()
        await call.out(value if only_values else f"{name} = {value}")
    return 0


def _sysctl_file(call: Call, name: str) -> Path:
    file = kernel.sysctl_file(call.context.disk, name)
    if not file.is_file():
        where = f"/proc/sys/{name.replace('.', '/')}"
        raise Failed(f"sysctl: cannot stat {where}: No such file or directory")
    return file


async def _ip(call: Call) -> int:
    spec = call.context.spec
    match [word for word in call.arguments if word not in ("-4", "-o", "-br")]:
        case ["addr" | "a" | "address"] | ["addr" | "a" | "address", "show", *_]:
            await call.out(
                f"2: eth0    inet {spec.address}/24 brd {_broadcast(spec.address)} scope global"
            )
        case ["route" | "r"] | ["route", "show", *_]:
            await call.out(f"default via {_gateway(spec.address)} dev eth0\n")
        case ["link", "delete" | "del", name]:
            call.need_root()
            if not delete_link(call.context.disk, name):
                raise Failed(f'Cannot find device "{name}"')
        case ["link"] | ["link", "show", *_]:
            await call.out("2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP")
        case words:
            raise call.unknown(" ".join(words))
    return 0


def _gateway(address: str) -> str:
    return address.rpartition(".")[0] + ".1"


def _broadcast(address: str) -> str:
    return address.rpartition(".")[0] + ".255"


async def _ethtool(call: Call) -> int:
    match call.arguments:
        case ["-K", _, "tx-checksum-ip-generic", "on" | "off"]:
            call.need_root()
        case words:
            raise call.unknown(" ".join(words))
    return 0


async def _iptables(call: Call) -> int:
    match call.arguments:
        case ["--version"] | ["-V"]:
            await call.out("iptables v1.8.10 (nf_tables)")
        case words:
            raise call.unknown(" ".join(words))
    return 0


HANDLERS: dict[str, Handler] = {
    "id": _id,
    "whoami": _whoami,
    "uname": _uname,
    "nproc": _nproc,
    "free": _free,
    "df": _df,
    "stat": _stat,
    "hostname": _hostname,
    "hostnamectl": _hostnamectl,
    "timedatectl": _timedatectl,
    "swapoff": _swapoff,
    "modprobe": _modprobe,
    "lsmod": _lsmod,
    "sysctl": _sysctl,
    "ip": _ip,
    "ethtool": _ethtool,
    "iptables": _iptables,
}
