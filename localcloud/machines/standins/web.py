"""Stand-ins for curl and wget, which reach the mirrors and the private network only."""

import ssl
from urllib.parse import urlsplit

from localcloud.https import get
from localcloud.machines import repositories
from localcloud.machines.standins.call import Call, Failed, Handler, parse_args

_REFUSALS = 400

ETCD_METRICS = "http://127.0.0.1:2381/metrics"

# A disk that writes within a millisecond, as that of the machine which emulates the cloud may.
_METRICS = """\
# HELP etcd_disk_wal_fsync_duration_seconds The latency distributions of fsync called by WAL.
# TYPE etcd_disk_wal_fsync_duration_seconds histogram
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"} 200
etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"} 200
etcd_disk_wal_fsync_duration_seconds_sum 0.1
etcd_disk_wal_fsync_duration_seconds_count 200
# HELP etcd_server_quota_backend_bytes Current backend storage quota size in bytes.
# TYPE etcd_server_quota_backend_bytes gauge
etcd_server_quota_backend_bytes 2.147483648e+09
"""


async def _curl(call: Call) -> int:
    taken = parse_args(
        call,
        flags=(
            "-f", "-s", "-S", "-L", "-k", "--fail", "--silent", "--show-error", "--location",
            "--retry-connrefused", "--retry-all-errors", "--insecure",
        ),
        options=("-o", "--output", "-m", "--max-time", "--connect-timeout", "--retry"),
    )  # fmt: skip
    if len(taken.words) != 1:
        raise call.unknown(" ".join(taken.words))
    url = taken.words[0]
    try:
        page = _own_page(call, url) or repositories.fetch(url, call.context.shared.mirror_faults)
    except LookupError:
        page = await _fetch_private(call, url, insecure="-k" in taken or "--insecure" in taken)
    if page.status >= _REFUSALS and ("-f" in taken or "--fail" in taken):
        raise Failed(f"curl: (22) The requested URL returned error: {page.status}", 22)
    await _deliver(call, taken.value("-o", "--output", default="-"), page.text)
    return 0


def _own_page(call: Call, url: str) -> repositories.Page | None:
    """Return etcd's metrics, which it serves on the machine itself; None for any other page."""
    if url != ETCD_METRICS:
        return None
    if not call.machine.cluster.control_plane.runs("etcd"):
        raise Failed("curl: (7) Failed to connect to 127.0.0.1 port 2381", 7)
    return repositories.Page(_METRICS, 200)


async def _fetch_private(call: Call, url: str, *, insecure: bool) -> repositories.Page:
    """Fetch a page by HTTPS from the machine's own network, as its rules allow."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    address = call.context.resolve(host)
    if address is None or parts.scheme != "https":
        raise Failed(f"curl: (6) Could not resolve host: {host}", 6)
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = parts.port or 443
    try:
        connection = call.context.dial(address, port)
        path = parts._replace(scheme="", netloc="", path=parts.path or "/", fragment="").geturl()
        reply = await get(connection, context, host, path)
    except TimeoutError as error:
        raise Failed(f"curl: (28) Connection to {host}:{port} timed out", 28) from error
    except ssl.SSLError as error:
        raise Failed(f"curl: (60) SSL certificate problem: {error}", 60) from error
    except OSError as error:
        raise Failed(f"curl: (7) Failed to connect to {host} port {port}", 7) from error
    return repositories.Page(reply.text, reply.status)


async def _wget(call: Call) -> int:
    taken = parse_args(call, flags=("-q",), options=("-O", "-T", "-t"))
    if len(taken.words) != 1:
        raise call.unknown(" ".join(taken.words))
    url = taken.words[0]
    try:
        page = repositories.fetch(url, call.context.shared.mirror_faults)
    except LookupError as error:
        text = f"wget: unable to resolve host address '{urlsplit(url).hostname}'"
        raise Failed(text, 4) from error
    if page.status >= _REFUSALS:
        raise Failed(f"ERROR {page.status}", 8)
    await _deliver(call, taken.value("-O", default=url.rpartition("/")[2]), page.text)
    return 0


async def _deliver(call: Call, target: str, text: str) -> None:
    if target == "-":
        await call.out(text)
    elif target != "/dev/null":
        call.path(target).write_text(text, encoding="utf-8")


HANDLERS: dict[str, Handler] = {"curl": _curl, "wget": _wget}
