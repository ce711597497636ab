"""Stand-ins for the package tools of Debian and Ubuntu: apt-get, apt-mark, dpkg, dpkg-query."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from localcloud.machines import repositories
from localcloud.machines.standins.call import Call, Failed, Handler, parse_args
from localcloud.machines.standins.installing import NotServed, choose, install
from localcloud.parts import Component

_LOOK_AT_LOCK = 0.1  # seconds between two checks
_HOLDER = "It is held by process 871 (unattended-upgr)"
_JOURNAL = "var/lib/dpkg/updates/0001"  # exists while dpkg works, and after it was killed
_FAILED = 100  # apt-get's exit code for everything

_FLAGS = (
    "-q", "-y", "-qq", "--yes", "--quiet", "--no-install-recommends",
    "--allow-change-held-packages", "--allow-downgrades",
)  # fmt: skip
_DEB_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<url>\S+)\s")


async def _apt_get(call: Call) -> int:
    taken = parse_args(call, flags=_FLAGS, options=("-o",))
    verb, *words = taken.words or [""]
    call.need_root()
    match verb:
        case "update":
            await _update(call)
        case "install" | "remove" | "purge":
            await _wait_for_lock(call, taken.repeated.get("-o", []))
            with _working(call):
                if verb == "install":
                    force = "--allow-change-held-packages" in taken
                    await _install(call, words, may_move_held=force)
                else:
                    call.machine.remove_packages(words)
        case _:
            raise call.unknown(verb)
    return 0


async def _wait_for_lock(call: Call, settings: Sequence[str]) -> None:
    """Wait for the lock for `DPkg::Lock::Timeout` seconds; without it, do not wait."""
    context = call.context
    given = [text.partition("=")[2] for text in settings if text.startswith("DPkg::Lock::Timeout=")]
    left = float(given[-1]) if given else 0.0
    lock = f"Could not get lock /var/lib/dpkg/lock-frontend. {_HOLDER}"
    if left and Component.PACKAGES in context.failed:
        await call.err(f"Waiting for cache lock: {lock}...")
    while Component.PACKAGES in context.failed:
        if left <= 0:
            raise Failed(
                f"E: {lock}\nE: Unable to acquire the dpkg frontend lock "
                "(/var/lib/dpkg/lock-frontend), is another process using it?",
                _FAILED,
            )
        await context.shared.clock.sleep(_LOOK_AT_LOCK)
        left -= _LOOK_AT_LOCK


@contextmanager
def _working(call: Call) -> Iterator[None]:
    """Keep a journal while dpkg works; an existing one means that a dpkg was killed.

    Raises:
        Failed: a journal exists already.
    """
    journal = call.context.disk / _JOURNAL
    if journal.exists():
        raise Failed(
            "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' "
            "to correct the problem. ",
            _FAILED,
        )
    journal.parent.mkdir(parents=True, exist_ok=True)
    journal.touch()
    try:
        yield
    except Failed:
        journal.unlink()
        raise
    journal.unlink()


async def _update(call: Call) -> None:
    """Read the sources. The lists have their own lock, for which apt-get never waits."""
    if Component.PACKAGES in call.context.failed:
        raise Failed(
            f"E: Could not get lock /var/lib/apt/lists/lock. {_HOLDER}\n"
            "E: Unable to lock directory /var/lib/apt/lists/",
            _FAILED,
        )
    sources: list[str] = []
    for file in sorted(call.path("/etc/apt/sources.list.d").glob("*.list")):
        for line in file.read_text().splitlines():
            if not (match := _DEB_LINE.match(line)):
                continue
            url = match["url"]
            if not repositories.is_reached(url):
                await call.err(f"Err: {url}\nW: Failed to fetch {url}  Could not resolve host")
                continue
            if not repositories.is_served(url):
                raise Failed(f"E: The repository '{url}' does not have a Release file.", _FAILED)
            _check_key(call, match["options"] or "", url)
            sources.append(url)
    call.context.state.sources = sources
    await call.out("Reading package lists...")


def _check_key(call: Call, options: str, url: str) -> None:
    keys = [text.partition("=")[2] for text in options.split() if text.startswith("signed-by=")]
    if not keys or not call.path(keys[0]).is_file():
        raise Failed(f"E: The repository '{url}' is not signed.", _FAILED)


async def _install(call: Call, words: Sequence[str], *, may_move_held: bool) -> None:
    state = call.context.state
    try:
        chosen = choose(call.context, [word.partition("=")[::2] for word in words])
    except NotServed as missing:
        if missing.is_known:
            text = f"E: Version '{missing.pattern}' for '{missing.name}' was not found"
        else:
            text = f"E: Unable to locate package {missing.name}"
        raise Failed(text, _FAILED) from missing
    there = state.packages
    moved = [name for name in state.held if name in chosen and chosen[name] != there.get(name)]
    if moved and not may_move_held:
        raise Failed(
            "E: Held packages were changed and -y was used without --allow-change-held-packages.",
            _FAILED,
        )
    await install(call, chosen)


async def _apt_mark(call: Call) -> int:
    verb, *names = call.arguments or [""]
    held = call.context.state.held
    match verb:
        case "showhold":
            if held:
                await call.out("\n".join(sorted(held)))
        case "hold":
            call.need_root()
            for name in names:
                if name not in call.context.state.packages:
                    raise Failed(
                        "E: Can't select installed nor candidate version "  # noqa: S608 - apt's words
                        f"from package '{name}'",
                        _FAILED,
                    )
                if name not in held:
                    held.append(name)
                await call.out(f"{name} set on hold.")
        case "unhold":
            call.need_root()
            for name in set(names) & set(held):
                held.remove(name)
                await call.out(f"Canceled hold on {name}.")
        case _:
            raise call.unknown(verb)
    return 0


async def _dpkg(call: Call) -> int:
    taken = parse_args(call, flags=("-a", "--configure", "--force-confold", "--force-confdef"))
    if "--configure" not in taken or "-a" not in taken or taken.words:
        raise call.unknown(" ".join(call.arguments))
    call.need_root()
    if Component.PACKAGES in call.context.failed:
        raise Failed(
            "dpkg: error: dpkg frontend lock was locked by another process with pid 871", 2
        )
    (call.context.disk / _JOURNAL).unlink(missing_ok=True)
    return 0


async def _dpkg_query(call: Call) -> int:
    taken = parse_args(call, flags=("-W", "-s"), options=("-f", "--showformat"))
    pattern = taken.value("-f", "--showformat", default="${Package}\t${Version}\n")
    code = 0
    for name in taken.words:
        version = call.context.state.packages.get(name)
        if version is None:
            await call.err(f"dpkg-query: no packages found matching {name}")
            code = 1
            continue
        status = "hi " if name in call.context.state.held else "ii "
        values = {
            "Package": name,
            "Version": version,
            "db:Status-Abbrev": status,
            "Status": "install ok installed",
        }
        text = pattern.replace("\\n", "\n").replace("\\t", "\t")
        for field, value in values.items():
            text = text.replace(f"${{{field}}}", value)
        await call.write("out", text)
    return code


HANDLERS: dict[str, Handler] = {
    "apt-get": _apt_get,
    "apt-mark": _apt_mark,
    "dpkg": _dpkg,
    "dpkg-query": _dpkg_query,
}
