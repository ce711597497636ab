"""Stand-ins for systemd: systemctl and journalctl."""

from localcloud.machines.disk import SWAP_UNIT, swap_is_on
from localcloud.machines.standins.call import Call, Failed, Handler, parse_args
from localcloud.machines.standins.kubeadm_kubelet import why_unhealthy

_QUIET = ("-q", "--quiet", "--now", "--no-pager", "--no-legend", "--plain", "--all", "-a")


def _name(word: str) -> str:
    return word.removesuffix(".service")


async def _systemctl(call: Call) -> int:
    taken = parse_args(call, flags=_QUIET, options=("--type", "-t", "-p", "--property"))
    verb, *words = taken.words or ["list-units"]
    names = [_name(word) for word in words]
    units = call.machine.units
    match verb:
        case "is-active" | "is-enabled" | "is-failed":
            return await _ask(call, verb, names, quiet="-q" in taken or "--quiet" in taken)
        case "daemon-reload" | "reset-failed":
            call.need_root()
        case "list-units":
            if taken.value("--type", "-t") == "swap":
                if swap_is_on(call.context.disk):
                    await call.out(f"{SWAP_UNIT} loaded active active Swap")
                return 0
            for name in sorted(units.known()):
                state = "active running" if units.is_active(name) else "inactive dead"
                await call.out(f"{name}.service loaded {state}")
        case "status":
            return await _status(call, names)
        case "enable" | "disable" | "start" | "stop" | "restart" | "reload" | "mask" | "unmask":
            call.need_root()
            for name in names:
                await _change(call, verb, name, now="--now" in taken)
        case "try-restart" | "reload-or-restart":
            call.need_root()
            for name in names:
                await _change(call, "restart", name, now=False)
        case _:
            raise call.unknown(verb)
    return 0


async def _ask(call: Call, verb: str, names: list[str], *, quiet: bool) -> int:
    units = call.machine.units
    good = False
    for name in names:
        if verb == "is-active":
            word = "active" if units.is_active(name) else "inactive"
            good = good or word == "active"
        elif verb == "is-enabled":
            word = units.enabled_word(name)
            good = good or word == "enabled"
        else:
            word = "active" if units.is_active(name) else "inactive"
        if not quiet:
            await call.out(word)
    if good:
        return 0
    if not any(name in units.known() or name in units.masked() for name in names):
        return 4  # systemd 255, for units that do not exist
    return 1 if verb != "is-active" else 3


async def _status(call: Call, names: list[str]) -> int:
    units, code = call.machine.units, 0
    for name in names:
        if name not in units.known():
            raise Failed(f"Unit {name}.service could not be found.", 4)
        active = units.is_active(name)
        await call.out(
            f"● {name}.service\n     Active: {'active (running)' if active else 'inactive (dead)'}"
        )
        code = code if active else 3
    return code


async def _change(call: Call, verb: str, name: str, *, now: bool) -> None:
    units = call.machine.units
    if verb == "mask":
        units.mask(name)
        return
    if verb == "unmask":
        units.unmask(name)
        return
    if name not in units.known():
        if verb in ("enable", "disable"):
            raise Failed(f"Failed to {verb} unit: Unit file {name}.service does not exist.")
        raise Failed(f"Failed to {verb} {name}.service: Unit {name}.service not found.", 5)
    match verb:
        case "enable":
            if units.enable(name):
                await call.err(
                    f"Created symlink /etc/systemd/system/multi-user.target.wants/{name}.service."
                )
            if now:
                await units.start(name)
        case "disable":
            units.disable(name)
            if now:
                await units.stop(name)
        case "start":
            await units.start(name)
        case "stop":
            await units.stop(name)
        case _:
            await units.restart(name)


async def _journalctl(call: Call) -> int:
    taken = parse_args(
        call, flags=("--no-pager", "-e", "-x", "-xe", "-xeu", "-f"), options=("-u", "-n", "--unit")
    )
    unit = _name(taken.value("-u", "--unit"))
    if not unit or taken.words:
        raise call.unknown(" ".join(call.arguments))
    state = "is running" if call.machine.units.is_active(unit) else "is not running"
    if unit == "kubelet" and (why := why_unhealthy(call)):
        await call.out(f'kubelet: "command failed" err="failed to run Kubelet: {why}"')
    await call.out(f"-- the local cloud keeps no journal; {unit} {state} --")
    return 0


HANDLERS: dict[str, Handler] = {"systemctl": _systemctl, "journalctl": _journalctl}
