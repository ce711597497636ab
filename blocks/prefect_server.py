"""The address, the owner and the auth string of this machine's Prefect server.

The server receives secrets, and a server on a port of this machine may be another user's. So it is
used only if `PREFECT_API_URL` names it, or if this user runs it. The one that we start answers only
those who know an auth string, which is in a file that this user alone can read: without it, each
page in a browser and each login on this machine could read the blocks.
"""

import json
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL
from prefect.settings.legacy import Setting

from blocks.settings import data_folder
from domain.kernel.errors import Unreachable

SOCKETS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""The kernel's lists of sockets with address:port in hex, state and user id."""

_LISTENING = "0A"

SLOW_SECONDS = 30.0
"""For a server that takes connections: a second one would use its database."""


def server_note() -> Path:
    """The file with the address of the background Prefect server."""
    return data_folder() / "prefect-server.json"


def server_log() -> Path:
    """The log of the server that we start: its warnings and errors."""
    return data_folder() / "prefect-server.log"


def auth_file() -> Path:
    """The file with the auth string of the server that we start, such as `admin:…`."""
    return data_folder() / "prefect-auth"


def make_auth() -> str:
    """Make an auth string that nobody can guess."""
    return f"admin:{secrets.token_urlsafe(24)}"


def own_auth() -> str:
    """The auth string of the server that we start; made at the first use."""
    file = auth_file()
    if not file.exists():
        new = file.with_name(f"{file.name}.{os.getpid()}")
        new.touch(mode=0o600)
        new.write_text(make_auth(), encoding="utf-8")
        try:
            os.link(new, file)  # of two processes the first one's counts
        except FileExistsError:
            pass
        finally:
            new.unlink()
    return file.read_text(encoding="utf-8").strip()


def client_auth(api_url: str) -> str:
    """The configured auth string, else ours for the server that we started, else none."""
    configured: str | None = PREFECT_API_AUTH_STRING.value()
    if configured and api_url == configured_server():
        return configured
    return own_auth() if api_url == noted_server() else ""


def client_settings(api_url: str) -> dict[Setting, Any]:
    """Prefect's settings for a server."""
    auth = client_auth(api_url)
    return {PREFECT_API_URL: api_url} | ({PREFECT_API_AUTH_STRING: auth} if auth else {})


def client_variables(api_url: str) -> dict[str, str]:
    """The same as environment of a process."""
    return {setting.name: value for setting, value in client_settings(api_url).items()}


def answers(api_url: str, patience: float = 0.0) -> bool:
    """Whether a Prefect server answers at this API URL.

    Args:
        patience: seconds in which one that takes connections and is slow is asked again.
    """
    until = time.monotonic() + patience
    while True:
        try:
            with urlopen(f"{api_url}/health", timeout=2) as reply:  # noqa: S310 - our own http URL
                return bool(reply.status == 200)
        except TimeoutError:
            pass
        except URLError as error:
            if not isinstance(error.reason, TimeoutError):
                return False
        except (OSError, ValueError):
            return False
        if time.monotonic() >= until:
            return False


def is_open(api_url: str) -> bool:
    """Whether a server answers anybody, because it was started without an auth string."""
    try:
        with urlopen(f"{api_url}/admin/version", timeout=10) as reply:  # noqa: S310
            return bool(reply.status == 200)
    except (URLError, OSError, ValueError):
        return False


def configured_server() -> str:
    """The API URL of `PREFECT_API_URL` or of Prefect's profile, or an empty text."""
    return PREFECT_API_URL.value() or ""


def noted_server() -> str:
    """The API URL in our note, or an empty text. Another server may answer there by now."""
    try:
        return str(json.loads(server_note().read_text(encoding="utf-8"))["api_url"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def noted_logos(api_url: str) -> str:
    """Where a server serves the logos of our blocks, by our note; empty for any other server."""
    try:
        note = json.loads(server_note().read_text(encoding="utf-8"))
        return str(note.get("logos", "")) if note["api_url"] == api_url else ""
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""


def find_running_server(tables: Iterable[Path] = SOCKETS) -> str:
    """The API URL of this user's background Prefect server, or an empty text when none answers.

    Without one Prefect starts a temporary server, which takes a quarter of a minute.
    """
    url = noted_server()
    return url if url and not refusal(url, tables) and answers(url, SLOW_SECONDS) else ""


def running_server() -> str:
    """The API URL of the configured Prefect server, or else of the one in the background.

    Raises:
        Unreachable: no server answers.
    """
    configured = configured_server()
    if configured and not answers(configured):
        raise Unreachable(
            f"no Prefect server answers at {configured}, which PREFECT_API_URL names; start it, "
            "or leave PREFECT_API_URL unset to use the one of: make server"
        )
    url = configured or find_running_server()
    if not url:
        raise Unreachable("no Prefect server answers; start one with: make server")
    return url


def refusal(api_url: str, tables: Iterable[Path] = SOCKETS) -> str:
    """Why a server that is not configured is not used; empty where it may be."""
    others = owners_of(_port_of(api_url), tables) - {os.getuid()}
    if not others:
        return ""
    ids = ", ".join(map(str, sorted(others)))
    return (
        f"the server at {api_url} is another user's (user id {ids}), so it is not used; to use it, "
        "name it with PREFECT_API_URL"
    )


def is_ours(api_url: str) -> bool:
    """Whether only this user listens on the port of an API URL of this machine."""
    return owners_of(_port_of(api_url)) == {os.getuid()}


def owners_of(port: int, tables: Iterable[Path] = SOCKETS) -> frozenset[int]:
    """The ids of the users that listen on a TCP port of this machine, on any address.

    Args:
        tables: the kernel's lists of sockets; a missing one is skipped.

    Returns:
        Nothing where no user listens, and on a system without these lists.
    """
    owners = set[int]()
    for table in tables:
        try:
            lines = table.read_text(encoding="utf-8").splitlines()[1:]
        except OSError:
            continue
        for _, local, _, state, _, _, _, user, *_ in map(str.split, lines):
            if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                owners.add(int(user))
    return frozenset(owners)


def _port_of(api_url: str) -> int:
    return urlsplit(api_url).port or 80
