"""Real bash in a machine's folder: its own environment, its own commands, a guard on writes.

This is no isolation from hostile scripts: they can read the host's files. It protects the host from
mistakes: commands are the stand-ins and a short list of harmless tools, targets are written
`${SYSROOT}/…`, and Landlock refuses writes elsewhere.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from localcloud.machines.context import MachineContext
from localcloud.machines.landlock import WriteGuard, find_version
from localcloud.machines.process import Process

# Tools of the host that scripts may use. Everything that acts on a machine is a stand-in.
TOOLS = (
    "awk", "base64", "basename", "bash", "cat", "chmod", "cksum", "cmp", "comm", "cp", "cut",
    "date", "diff", "dirname", "du", "echo", "env", "expr", "false", "find", "flock", "fold",
    "getopt", "grep", "gunzip", "gzip", "head", "install", "join", "ln", "ls", "md5sum", "mkdir",
    "mkfifo", "mktemp", "mv", "nl", "nohup", "od", "openssl", "paste", "printf", "pwd", "readlink",
    "realpath", "rm", "rmdir", "sed", "seq", "setsid", "sh", "sha256sum", "sleep", "sort", "split",
    "tac", "tail", "tar", "tee", "test", "timeout", "touch", "tr", "true", "truncate", "uniq",
    "wc", "which", "xargs", "xz", "yes",
)  # fmt: skip

SHOW_OWN_FILES = """() {
  local -a files=()
  local file
  for file; do
    [[ "$file" == /* && -f "$SYSROOT$file" ]] && file="$SYSROOT$file"
    files+=("$file")
  done
  command cat "${files[@]}"
}"""
"""A bash function: whoever looks at an absolute path means the machine's file, not the host's."""


def link_tools(folder: Path) -> None:
    """Create a folder of links to the host's tools, except those that it lacks.

    Raises:
        FileNotFoundError: the host has no bash.
    """
    if shutil.which("bash") is None:
        raise FileNotFoundError("the local cloud's machines need bash, and this system has none")
    folder.mkdir(parents=True, exist_ok=True)
    for name in TOOLS:
        link, found = folder / name, shutil.which(name)
        if found is not None and not link.is_symlink():
            link.symlink_to(found)


def _of_every_login(disk: Path) -> dict[str, str]:
    """Read /etc/environment, which PAM gives to every login: images may set proxies there."""
    file = disk / "etc/environment"
    lines = file.read_text().splitlines() if file.is_file() else []
    pairs = [line.partition("=") for line in lines if not line.startswith("#")]
    return {name.strip(): value.strip().strip("\"'") for name, sign, value in pairs if sign}


class Sandbox:
    """Where and how one machine's commands run."""

    def __init__(self, context: MachineContext) -> None:
        self._context = context

    @property
    def disk(self) -> Path:
        return self._context.disk

    def environment(self, user: str) -> dict[str, str]:
        """Return all environment variables of a command."""
        context, tools = self._context, self._context.shared.tools
        local = [context.disk / "usr/local/sbin", context.disk / "usr/local/bin"]
        return {
            **_of_every_login(context.disk),
            "PATH": ":".join(str(folder) for folder in (context.commands, tools, *local)),
            "SYSROOT": str(context.disk),
            "HOME": str(context.home(user)),
            "TMPDIR": str(context.disk / "tmp"),
            "USER": user,
            "LOGNAME": user,
            "SHELL": str(tools / "bash"),
            "LANG": "C.UTF-8",
            "HOSTNAME": context.spec.hostname,
            "BASH_FUNC_cat%%": SHOW_OWN_FILES,
        }

    async def start(self, arguments: Sequence[str], *, user: str) -> Process:
        """Start bash with these arguments, in the user's home, in a process group of its own.

        Raises:
            OSError: the process cannot be started.
            ValueError: the arguments cannot be those of a process.
        """
        process = Process(
            [str(self._context.shared.tools / "bash"), *arguments],
            environment=self.environment(user),
            folder=self._context.home(user),
            guard=WriteGuard(self._context.disk) if find_version() else None,
        )
        await process.start()
        return process
