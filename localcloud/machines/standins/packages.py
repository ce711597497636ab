"""Stand-ins for package managers: apt-get and its kin, dnf and rpm, and gpg for their keys."""

import re
from collections.abc import Sequence

from localcloud.machines import repositories
from localcloud.machines.standins.call import Call, Failed, Handler, take_apart
from localcloud.parts import Ailment

_LOOK_AT_LOCK = 0.1  # seconds between two looks

_APT_FLAGS = (
    "-q", "-y", "-qq", "--yes", "--quiet", "--no-install-recommends",
    "--allow-change-held-packages", "--allow-downgrades",
)  # fmt: skip
_DEB_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<url>\S+)\s")


async def _apt_get(call: Call) -> int:
    taken = take_apart(call, flags=_APT_FLAGS, options=("-o",))
    verb, *words = taken.words or [""]
    call.need_root()
    await _wait_for_lock(call, taken.repeated.get("-o", []))
    if verb == "update":
        return await _apt_update(call)
    if verb in ("install", "remove", "purge"):
        wanted = [word.partition("=")[::2] for word in words]
        if verb == "install":
            await _install(
                call, list(wanted), may_move_held="--allow-change-held-packages" in taken
            )
        else:
            _remove(call, [name for name, _ in wanted])
        return 0
    raise call.unknown(verb)


async def _wait_for_lock(call: Call, settings: Sequence[str]) -> None:
    """Wait for the lock as long as `DPkg::Lock::Timeout` says; without it not at all."""
    machine = call.machine
    told = [text.partition("=")[2] for text in settings if text.startswith("DPkg::Lock::Timeout=")]
    left = float(told[-1]) if told else 0.0
    while Ailment.PACKAGES in machine.cluster.ailments:
        if left <= 0:
            raise Failed(
                "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 871 "
                "(unattended-upgr)\nE: Unable to acquire the dpkg frontend lock "
                "(/var/lib/dpkg/lock-frontend), is another process using it?",
                100,
            )
        await machine.world.clock.sleep(_LOOK_AT_LOCK)
        left -= _LOOK_AT_LOCK


async def _apt_update(call: Call) -> int:
    sources: list[str] = []
    for file in sorted(call.path("/etc/apt/sources.list.d").glob("*.list")):
        for line in file.read_text().splitlines():
            if not (match := _DEB_LINE.match(line)):
                continue
            url = match["url"]
            if not repositories.is_served(url):
                await call.err(f"Err: {url}\nW: Failed to fetch {url}  Could not resolve host")
                continue
            _check_key(call, match["options"] or "", url)
            sources.append(url)
    call.machine.state.sources = sources
    await call.out("Reading package lists...")
    return 0


def _check_key(call: Call, options: str, url: str) -> None:
    keys = [text.partition("=")[2] for text in options.split() if text.startswith("signed-by=")]
    if not keys or not call.path(keys[0]).is_file():
        raise Failed(f"E: The repository '{url}' is not signed.", 100)


async def _install(call: Call, wanted: list[tuple[str, str]], *, may_move_held: bool) -> None:
    machine = call.machine
    chosen: dict[str, str] = {}
    is_apt = machine.system.packager == "apt"
    for name, pattern in wanted:
        versions = repositories.versions_of(name, machine.state.sources, machine.system)
        if not versions:
            text = (
                f"E: Unable to locate package {name}"
                if is_apt
                else f"Error: Unable to find a match: {name}"
            )
            raise Failed(text, 100 if is_apt else 1)
        version = repositories.choose_version(name, pattern, versions)
        if version is None:
            text = f"E: Version '{pattern}' for '{name}' was not found"
            raise Failed(
                text if is_apt else f"Error: Unable to find a match: {name}-{pattern}",
                100 if is_apt else 1,
            )
        if (
            name in machine.state.held
            and machine.state.packages.get(name) != version
            and not may_move_held
        ):
            raise Failed(
                "E: Held packages were changed and -y was used "
                "without --allow-change-held-packages.",
                100,
            )
        chosen[name] = version
        for needed in repositories.DEPENDENCIES.get(name, ()):
            chosen[needed] = repositories.versions_of(
                needed, machine.state.sources, machine.system
            )[-1]
    fresh = {
        name: version
        for name, version in chosen.items()
        if machine.state.packages.get(name) != version
    }
    if not fresh:
        await call.out(f"0 upgraded, 0 newly installed ({', '.join(chosen)} already there).")
        return
    await machine.world.clock.sleep(machine.world.profile.install_package)
    for name, version in fresh.items():
        await call.out(f"Setting up {name} ({version}) ...")
    await machine.add_packages(fresh)


def _remove(call: Call, names: list[str]) -> None:
    for name in names:
        call.machine.state.packages.pop(name, None)
    call.machine.refresh_commands()


async def _apt_mark(call: Call) -> int:
    verb, *names = call.arguments or [""]
    held = call.machine.state.held
    match verb:
        case "showhold":
            if held:
                await call.out("\n".join(sorted(held)))
        case "hold":
            call.need_root()
            for name in names:
                if name not in call.machine.state.packages:
                    raise Failed(
                        "E: Can't select installed nor candidate version "  # noqa: S608 - apt's words
                        f"from package '{name}'",
                        100,
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


async def _dpkg_query(call: Call) -> int:
    taken = take_apart(call, flags=("-W", "-s"), options=("-f", "--showformat"))
    pattern = taken.value("-f", "--showformat", default="${Package}\t${Version}\n")
    code = 0
    for name in taken.words:
        version = call.machine.state.packages.get(name)
        if version is None:
            await call.err(f"dpkg-query: no packages found matching {name}")
            code = 1
            continue
        status = "hi " if name in call.machine.state.held else "ii "
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


async def _dnf(call: Call) -> int:
    taken = take_apart(
        call, flags=("-q", "-y", "--allowerasing"), options=("--disableexcludes", "--setopt")
    )
    verb, *words = taken.words or [""]
    call.need_root()
    if verb in ("makecache", "install"):
        call.machine.state.sources = _yum_sources(call)
    if verb == "install":
        await _install(call, [_split_rpm(word) for word in words], may_move_held=True)
    elif verb in ("remove", "erase"):
        _remove(call, words)
    elif verb != "makecache":
        raise call.unknown(verb)
    return 0


def _yum_sources(call: Call) -> list[str]:
    sources = []
    for file in sorted(call.path("/etc/yum.repos.d").glob("*.repo")):
        for line in file.read_text().splitlines():
            if line.startswith("baseurl="):
                url = line.removeprefix("baseurl=")
                if not repositories.is_served(url):
                    raise Failed(
                        "Error: Failed to download metadata for repo: "
                        f"Cannot download repomd.xml: {url}"
                    )
                sources.append(url)
    return sources


def _split_rpm(word: str) -> tuple[str, str]:
    """`kubeadm-1.36.4` names a package and a version; dashes in names come before letters."""
    match = re.match(r"^(?P<name>.+?)-(?P<version>\d[\w.*~-]*)$", word)
    if match is None:
        return word, ""
    version = match["version"]
    return match["name"], version if version.endswith("*") else f"{version}-*"


async def _rpm(call: Call) -> int:
    taken = take_apart(call, flags=("-q",), options=("--qf", "--queryformat"))
    code = 0
    for name in taken.words:
        version = call.machine.state.packages.get(name)
        if version is None:
            await call.out(f"package {name} is not installed")
            code = 1
            continue
        short, _, release = version.partition("-")
        pattern = taken.value("--qf", "--queryformat", default="%{NAME}-%{VERSION}-%{RELEASE}\n")
        for field, value in {"NAME": name, "VERSION": short, "RELEASE": release}.items():
            pattern = pattern.replace(f"%{{{field}}}", value)
        await call.write("out", pattern.replace("\\n", "\n"))
    return code


async def _gpg(call: Call) -> int:
    taken = take_apart(call, flags=("--batch", "--with-colons", "--show-keys", "--quiet"))
    if "--show-keys" not in taken or len(taken.words) != 1:
        raise call.unknown(" ".join(call.arguments))
    text = call.path(taken.words[0]).read_text()
    match = re.search(r"stands for the key ([0-9A-F]{40})", text)
    if match is None:
        raise Failed("gpg: no valid OpenPGP data found.", 2)
    await call.out(
        f"pub:-:4096:1:{match[1][-16:]}:0:::-:::scSC::::::23::0:\nfpr:::::::::{match[1]}:"
    )
    return 0


APT: dict[str, Handler] = {
    "apt-get": _apt_get,
    "apt-mark": _apt_mark,
    "dpkg-query": _dpkg_query,
}
DNF: dict[str, Handler] = {"dnf": _dnf, "yum": _dnf, "rpm": _rpm}
HANDLERS: dict[str, Handler] = {**APT, **DNF, "gpg": _gpg}
