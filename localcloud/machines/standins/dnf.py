"""Stand-ins for the package tools of Rocky and similar systems: dnf, yum, rpm."""

import re
from collections.abc import Sequence
from configparser import ConfigParser
from configparser import Error as BadFile

from localcloud.machines import repositories
from localcloud.machines.standins.call import Call, Failed, Handler, parse_args
from localcloud.machines.standins.installing import NotServed, choose, install

# curl-minimal has the same command, and the two conflict.
_CONFLICTS = {"curl": "curl-minimal"}


async def _dnf(call: Call) -> int:
    taken = parse_args(
        call,
        flags=("-q", "-y", "--allowerasing", "--downloadonly"),
        options=("--disableexcludes", "--setopt"),
    )
    verb, *words = taken.words or [""]
    call.need_root()
    match verb:
        case "makecache":
            _read_sources(call, ())
        case "install":
            excluded = _read_sources(call, taken.value("--disableexcludes").split(","))
            chosen = _choose(call, words, excluded, may_erase="--allowerasing" in taken)
            if "--downloadonly" not in taken:
                await install(call, chosen)
        case "remove" | "erase":
            call.machine.remove_packages(words)
        case _:
            raise call.unknown(verb)
    return 0


def _read_sources(call: Call, unexcluded: Sequence[str]) -> set[str]:
    """Read the sources; return the packages that they exclude."""
    sources, excluded = [], set[str]()
    for file in sorted(call.path("/etc/yum.repos.d").glob("*.repo")):
        settings = ConfigParser(interpolation=None)
        try:
            settings.read_string(file.read_text(encoding="utf-8"))
        except BadFile as error:
            raise Failed(f"Error: Parsing file {file.name!r} failed: {error}") from error
        for repository in settings.sections():
            url = settings[repository].get("baseurl", "")
            faults = call.context.shared.mirror_faults
            if repositories.why_unreadable(url, faults):
                raise Failed(
                    f"Error: Failed to download metadata for repo '{repository}': "
                    f"Cannot download repomd.xml: {url}"
                )
            _check_key(call, repository, settings[repository].get("gpgkey", ""), url)
            sources.append(url)
            if repository not in unexcluded and "all" not in unexcluded:
                excluded.update(settings[repository].get("exclude", "").split())
    call.context.state.sources = sources
    return excluded


def _check_key(call: Call, repository: str, key: str, url: str) -> None:
    file = call.path(key.removeprefix("file://")) if key else None
    keys = repositories.keys_in(file.read_text(encoding="utf-8")) if file and file.is_file() else []
    if repositories.signer_of(url, call.context.shared.mirror_faults) not in keys:
        raise Failed(
            f"Error: Failed to download metadata for repo '{repository}': repomd.xml GPG signature "
            "verification error: Signing key not found"
        )


def _choose(
    call: Call, words: Sequence[str], excluded: set[str], *, may_erase: bool
) -> dict[str, str]:
    wanted = [_split(word) for word in words]
    packages = call.context.state.packages
    for name, _ in wanted:
        if name in excluded:
            raise Failed(f"Error: Unable to find a match: {name} (excluded by its repository)")
        rival = _CONFLICTS.get(name, "")
        if rival in packages and not may_erase:
            raise Failed(f"Error: problem with installed package {rival}: it conflicts with {name}")
    try:
        return choose(call.context, wanted)
    except NotServed as missing:
        text = f"{missing.name}-{missing.pattern}" if missing.pattern else missing.name
        raise Failed(f"Error: Unable to find a match: {text}") from missing


def _split(word: str) -> tuple[str, str]:
    """Split `kubeadm-1.36.4` into name and version; dashes in names come before letters."""
    match = re.match(r"^(?P<name>.+?)-(?P<version>\d[\w.*~-]*)$", word)
    if match is None:
        return word, ""
    version = match["version"]
    return match["name"], version if version.endswith("*") else f"{version}-*"


async def _rpm(call: Call) -> int:
    taken = parse_args(call, flags=("-q",), options=("--qf", "--queryformat"))
    code = 0
    for name in taken.words:
        version = call.context.state.packages.get(name)
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


HANDLERS: dict[str, Handler] = {"dnf": _dnf, "yum": _dnf, "rpm": _rpm}
