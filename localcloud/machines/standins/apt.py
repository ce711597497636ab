"""Stand-ins for the package tools of Debian and Ubuntu: apt-get, apt-mark, dpkg, dpkg-query."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from localcloud.machines import repositories
from localcloud.machines.standins.call import Arguments, Call, Failed, Handler, parse_args
from localcloud.machines.standins.installing import NotServed, choose, install
from localcloud.parts import Component

_LOOK_AT_LOCK = 0.1  # seconds between two checks
_HOLDER = "It is held by process 871 (unattended-upgr)"
_JOURNAL = "var/lib/dpkg/updates/0001"  # exists while dpkg works, and after it was killed
_FAILED = 100  # apt-get's exit code for everything

_FLAGS = (
    "-q", "-y", "-qq", "--yes", "--quiet", "--no-install-recommends",
    "--allow-change-held-packages", "--allow-downgrades", "--download-only", "-d",
)  # fmt: skip
_DEB_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<url>\S+)\s")


async def _apt_get(call: Call) -> int:
    taken = parse_args(call, flags=_FLAGS, options=("-o",))
    verb, *words = taken.words or [""]
    call.need_root()
    match verb:
        case "update":
            await _update(call, _settings(taken))
        case "install" | "remove" | "purge":
            await _wait_for_lock(call, float(_settings(taken).get("DPkg::Lock::Timeout", 0)))
            with _working(call):
                if verb == "install" and ("--download-only" in taken or "-d" in taken):
                    _check_space(call, _choose(call, words))
                elif verb == "install":
                    force = "--allow-change-held-packages" in taken
                    await _install(call, words, may_move_held=force)
                else:
                    call.machine.remove_packages(words)
        case _:
            raise call.unknown(verb)
    return 0


def _settings(taken: Arguments) -> dict[str, str]:
    """The settings given by `-o NAME=VALUE`."""
    return dict(text.partition("=")[::2] for text in taken.repeated.get("-o", []))


async def _wait_for_lock(call: Call, left: float) -> None:
    """Wait for the lock for `DPkg::Lock::Timeout` seconds; without it, do not wait."""
    context = call.context
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


async def _update(call: Call, settings: Mapping[str, str]) -> None:
    """Read the sources. The lists have their own lock, for which apt-get never waits.

    A source that cannot be reached is a warning only, unless `APT::Update::Error-Mode` is `any`.
    """
    if Component.PACKAGES in call.context.failed:
        raise Failed(
            f"E: Could not get lock /var/lib/apt/lists/lock. {_HOLDER}\n"
            "E: Unable to lock directory /var/lib/apt/lists/",
            _FAILED,
        )
    only = settings.get("Dir::Etc::sourcelist", "")
    files = [call.path(only)] if only else _source_files(call)
    state = call.context.state
    keeps = settings.get("APT::Get::List-Cleanup") == "0"
    sources = list(state.sources) if keeps else []
    for url, options in _read_sources(files):
        if not repositories.is_reached(url, call.context.shared.mirror_faults):
            text = f"Failed to fetch {url}  Could not resolve host"
            if settings.get("APT::Update::Error-Mode") == "any":
                raise Failed(f"E: {text}", _FAILED)
            await call.err(f"Err: {url}\nW: {text}")
            continue
        if why := repositories.why_unreadable(url, call.context.shared.mirror_faults):
            raise Failed(f"E: {why}", _FAILED)
        _check_key(call, options, url)
        sources.append(url)
    state.sources = sources
    await call.out("Reading package lists...")


def _source_files(call: Call) -> list[Path]:
    return sorted(call.path("/etc/apt/sources.list.d").glob("*.list"))


def _read_sources(files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Yield the URL and the options of each source."""
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            if match := _DEB_LINE.match(line):
                yield match["url"], match["options"] or ""


def _check_key(call: Call, options: str, url: str) -> None:
    """Check that the key that signs the index is one of the source's."""
    named = [text.partition("=")[2] for text in options.split() if text.startswith("signed-by=")]
    file = call.path(named[0]) if named else None
    keys = repositories.keys_in(file.read_text(encoding="utf-8")) if file and file.is_file() else []
    signer = repositories.signer_of(url, call.context.shared.mirror_faults)
    if signer not in keys:
        raise Failed(
            f"E: The repository '{url}' is not signed.\nW: GPG error: {url} InRelease: The "
            f"following signatures couldn't be verified because the public key is not available: "
            f"NO_PUBKEY {signer[-16:]}",
            _FAILED,
        )


def _choose(call: Call, words: Sequence[str]) -> dict[str, str]:
    """Choose versions from the lists of the sources that are configured now."""
    state = call.context.state
    configured = {url for url, _ in _read_sources(_source_files(call))}
    state.sources = [url for url in state.sources if url in configured]
    try:
        return choose(call.context, [word.partition("=")[::2] for word in words])
    except NotServed as missing:
        if missing.is_known:
            text = f"E: Version '{missing.pattern}' for '{missing.name}' was not found"
        else:
            text = f"E: Unable to locate package {missing.name}"
        raise Failed(text, _FAILED) from missing


async def _install(call: Call, words: Sequence[str], *, may_move_held: bool) -> None:
    state = call.context.state
    chosen = _choose(call, words)
    there = state.packages
    moved = [name for name in state.held if name in chosen and chosen[name] != there.get(name)]
    if moved and not may_move_held:
        raise Failed(
            "E: Held packages were changed and -y was used without --allow-change-held-packages.",
            _FAILED,
        )
    _check_space(call, chosen)
    await install(call, chosen)


def _check_space(call: Call, chosen: Mapping[str, str]) -> None:
    """Refuse a full disk, unless nothing has to be fetched."""
    there = call.context.state.packages
    if Component.DISK in call.context.failed and any(
        there.get(name) != version for name, version in chosen.items()
    ):
        raise Failed("E: You don't have enough free space in /var/cache/apt/archives/.", _FAILED)


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
