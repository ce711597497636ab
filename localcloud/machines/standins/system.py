"""Stand-ins that ask or set facts of the system: names, clock, swap, modules, users."""

from localcloud.clock import stamp
from localcloud.machines import disk
from localcloud.machines.standins.call import Call, Failed, Handler, take_apart


async def _id(call: Call) -> int:
    taken = take_apart(call, flags=("-u", "-n", "-g"))
    if taken.words:
        raise call.unknown(taken.words[0])
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
    take_apart(call)
    await call.out(call.user)
    return 0


async def _uname(call: Call) -> int:
    taken = take_apart(call, flags=("-r", "-m", "-s", "-n", "-a", "-p", "-i"))
    system, name = call.machine.system, call.machine.read_hostname()
    parts = {"-s": "Linux", "-n": name, "-r": system.kernel, "-m": "x86_64"}
    aliases = {"-p": "-m", "-i": "-m"}
    wanted = {aliases.get(one, one) for one in taken.options} or {"-s"}
    if "-a" in wanted:
        wanted = set(parts)
    await call.out(" ".join(text for option, text in parts.items() if option in wanted))
    return 0


async def _nproc(call: Call) -> int:
    take_apart(call)
    await call.out(str(call.machine.birth.vcpus))
    return 0


async def _free(call: Call) -> int:
    take_apart(call, flags=("-m", "-h"))
    size = call.machine.birth.memory_mib
    swap = 2047 if disk.swap_is_on(call.machine.disk) else 0
    await call.out(
        "               total        used        free\n"
        f"Mem:     {size:>11} {size // 5:>11} {size - size // 5:>11}\n"
        f"Swap:    {swap:>11} {0:>11} {swap:>11}"
    )
    return 0


async def _stat(call: Call) -> int:
    taken = take_apart(call, flags=("-f", "-L"), options=("-c", "--format", "-fc"))
    pattern = taken.value("-fc", "-c", "--format")
    if not pattern or not taken.words:
        raise call.unknown(" ".join(call.arguments))
    for word in taken.words:
        path = call.path(word)
        if not path.exists():
            raise Failed(f"stat: cannot statx '{word}': No such file or directory")
        if "-f" in taken or "-fc" in taken:
            at_cgroup = path == call.path("/sys/fs/cgroup")
            values = {"%T": call.machine.system.cgroup if at_cgroup else "ext2/ext3"}
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
    taken = take_apart(call, flags=("-s", "-f", "-I", "-i"))
    if taken.words:
        raise Failed("hostname: use hostnamectl set-hostname")
    asks_address = "-I" in taken or "-i" in taken
    await call.out(call.machine.birth.address if asks_address else call.machine.read_hostname())
    return 0


async def _hostnamectl(call: Call) -> int:
    taken = take_apart(call, flags=("--static",))
    match taken.words:
        case ["set-hostname" | "hostname", name]:
            call.need_root()
            call.path("/etc/hostname").write_text(f"{name}\n")
        case [] | ["status"] | ["hostname"]:
            await call.out(call.machine.read_hostname())
        case words:
            raise call.unknown(" ".join(words))
    return 0


async def _timedatectl(call: Call) -> int:
    taken = take_apart(call, flags=("--value",), options=("-p", "--property"))
    match taken.words:
        case ["show"]:
            wanted = taken.value("-p", "--property", default="NTPSynchronized")
            values = {"NTPSynchronized": "yes", "NTP": "yes", "Timezone": "UTC"}
            if wanted not in values:
                raise call.unknown(wanted)
            await call.out(values[wanted] if "--value" in taken else f"{wanted}={values[wanted]}")
        case [] | ["status"]:
            now = stamp(call.machine.world.clock.now())
            await call.out(f"      Universal time: {now}\nSystem clock synchronized: yes")
        case ["set-ntp", _] | ["set-timezone", "UTC"]:
            call.need_root()
        case words:
            raise call.unknown(" ".join(words))
    return 0


async def _swapoff(call: Call) -> int:
    taken = take_apart(call, flags=("-a", "--all"))
    call.need_root()
    if taken.words or not taken.options:
        raise call.unknown(" ".join(call.arguments))
    disk.turn_swap(call.machine.disk, on=False)
    return 0


async def _modprobe(call: Call) -> int:
    taken = take_apart(call, flags=("-a", "-q"))
    call.need_root()
    for module in taken.words:
        if module not in ("overlay", "br_netfilter", "nf_conntrack", "vxlan", "ip_tables"):
            raise Failed(
                f"modprobe: FATAL: Module {module} not found in directory "
                f"/lib/modules/{call.machine.system.kernel}"
            )
        call.machine.load_module(module)
    return 0


async def _lsmod(call: Call) -> int:
    take_apart(call)
    await call.out("Module                  Size  Used by")
    for module in sorted(path.name for path in call.path("/sys/module").iterdir()):
        await call.out(f"{module:<20} 32768  0")
    return 0


async def _sysctl(call: Call) -> int:
    taken = take_apart(call, flags=("--system", "-n", "-q", "-e"), options=("-p", "-w"))
    if "--system" in taken:
        call.need_root()
        for file in sorted(call.path("/etc/sysctl.d").glob("*.conf")):
            for line in file.read_text().splitlines():
                name, _, value = line.partition("#")[0].partition("=")
                if name.strip():
                    await _set_sysctl(call, name.strip(), value.strip(), quiet="-q" in taken)
        return 0
    if setting := taken.value("-w"):
        call.need_root()
        name, _, value = setting.partition("=")
        await _set_sysctl(call, name, value, quiet="-q" in taken)
        return 0
    if "-p" in taken or not taken.words:
        raise call.unknown(" ".join(call.arguments))
    for name in taken.words:
        path = call.path(f"/proc/sys/{name.replace('.', '/')}")
        if not path.is_file():
            raise Failed(
                f"sysctl: cannot stat /proc/sys/{name.replace('.', '/')}: No such file or directory"
            )
        value = path.read_text().strip()
        await call.out(value if "-n" in taken else f"{name} = {value}")
    return 0


async def _set_sysctl(call: Call, name: str, value: str, *, quiet: bool) -> None:
    path = call.path(f"/proc/sys/{name.replace('.', '/')}")
    if not path.is_file():
        raise Failed(
            f"sysctl: cannot stat /proc/sys/{name.replace('.', '/')}: No such file or directory"
        )
    path.write_text(f"{value}\n")
    if not quiet:
        await call.out(f"{name} = {value}")


async def _ip(call: Call) -> int:
    birth = call.machine.birth
    match [word for word in call.arguments if word not in ("-4", "-o", "-br")]:
        case ["addr" | "a" | "address"] | ["addr" | "a" | "address", "show", *_]:
            await call.out(
                f"2: eth0    inet {birth.address}/24 brd {_broadcast(birth.address)} scope global"
            )
        case ["route" | "r"] | ["route", "show", *_]:
            await call.out(f"default via {_gateway(birth.address)} dev eth0\n")
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
