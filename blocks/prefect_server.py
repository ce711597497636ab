"""The address and the owner of this machine's Prefect server.

The server receives secrets, and a server on a port of this machine may be another user's. So it is
used only if `PREFECT_API_URL` names it, or if this user runs it.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from platformdirs import user_data_path
from prefect.settings import PREFECT_API_URL

from domain.kernel.errors import Unreachable

SOCKETS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""The kernel's lists of sockets with address:port in hex, state and user id."""

_LISTENING = "0A"


def server_note() -> Path:
    """The file with the address of the background Prefect server."""
    return user_data_path("kubernetes-on-qingcloud") / "prefect-server.json"


def answers(api_url: str) -> bool:
    """Whether a Prefect server answers at this API URL."""
    try:
        with urlopen(f"{api_url}/health", timeout=2) as reply:  # noqa: S310 - our own http URL
            return bool(reply.status == 200)
    except (URLError, OSError, ValueError):
        return False


def configured_server() -> str:
    """The API URL of `PREFECT_API_URL` or of Prefect's profile, or an empty text."""
    return PREFECT_API_URL.value() or ""


def noted_server() -> str:
    """The API URL in our note, or an empty text. Another server may answer there by now."""
    try:
        return str(json.loads(server_note().read_text())["api_url"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def find_running_server(tables: Iterable[Path] = SOCKETS) -> str:
    """The API URL of this user's background Prefect server, or an empty text when none answers.

    Without one Prefect starts a temporary server, which takes a quarter of a minute.
    """
    url = noted_server()
    return url if url and not refusal(url, tables) and answers(url) else ""


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
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for _, local, _, state, _, _, _, user, *_ in map(str.split, lines):
            if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                owners.add(int(user))
    return frozenset(owners)


def _port_of(api_url: str) -> int:
    return urlsplit(api_url).port or 80
