"""The page that stands in for Headlamp: log in with a token, then see nodes, pods and services.

Like the real one it has no rights of its own: each read of the API has the user's token,
and what the API refuses is shown as refused.
"""

from collections.abc import Callable, Mapping
from html import escape
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from localcloud.kubernetes.pods.http import ReadApi, Reply, Request

COOKIE = "kube-ui-token"
MAX_TOKEN = 16 * 1024  # bytes of a login form; a token is about one KiB
MOST_ROWS = 500  # of one table

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "x-frame-options": "DENY",
}

STYLE = (
    "body{font:15px sans-serif;margin:2em;max-width:70em}"
    "table{border-collapse:collapse;margin:.5em 0 2em}"
    "td,th{border:1px solid #bbb;padding:.3em .7em;text-align:left}textarea{width:40em}"
)

NOTE = (
    "<p>The local cloud stands in for Headlamp here: this small page shows what the Kubernetes "
    "API answers for your token, and nothing more.</p>"
)

Row = tuple[str, ...]


async def answer(pod: Mapping[str, Any], request: Request, read: ReadApi | None) -> Reply:
    """Answer one request of a browser."""
    match request.method, request.path:
        case "GET" | "HEAD", "/":
            token = _token_of(request)
            return await _overview(token, read) if token else _login_page(200)
        case "POST", "/login":
            return await _log_in(request, read)
        case "POST", "/logout":
            return _back_home("", request.secure)
        case _, "/" | "/login" | "/logout":
            return _page(405, "<h1>Method not allowed</h1>")
        case _:
            return _page(404, "<h1>No such page</h1>")


def _token_of(request: Request) -> str:
    """Return the user's token, from the cookie or from an Authorization header."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


async def _log_in(request: Request, read: ReadApi | None) -> Reply:
    if len(request.body) > MAX_TOKEN:
        return _login_page(413, "That is too long for a token.")
    form = parse_qs(request.body.decode("utf-8", "replace"))
    token = "".join(form.get("token", [""])[0].split())
    if not token.isascii() or not token:
        return _login_page(400, "Please paste a token.")
    if read is None:
        return _login_page(503, "This way in cannot reach the Kubernetes API.")
    status, _ = await read("/api", token)
    if status == 401:
        return _login_page(401, "The Kubernetes API does not accept this token.")
    return _back_home(token, request.secure)


def _back_home(token: str, secure: bool) -> Reply:
    """Set or clear the cookie, then send the browser to the first page."""
    cookie = f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict"
    cookie += "; Secure" if secure else ""
    cookie += "" if token else "; Max-Age=0"
    return Reply(303, {**HEADERS, "location": "/", "set-cookie": cookie}, b"")


async def _overview(token: str, read: ReadApi | None) -> Reply:
    if read is None:
        return _login_page(503, "This way in cannot reach the Kubernetes API.")
    parts = [NOTE]
    for title, path, columns, row in TABLES:
        status, answer = await read(path, token)
        if status == 401:
            return _login_page(401, "The Kubernetes API does not accept this token any more.")
        parts.append(f"<h2>{title}</h2>")
        if status == 200:
            parts.append(_table(columns, [row(item) for item in answer.get("items", ())]))
        else:
            reason = answer.get("message", "") if isinstance(answer, dict) else ""
            parts.append(f"<p>The API answers {status}: {escape(reason)}</p>")
    parts.append('<form method="post" action="/logout"><button>Log out</button></form>')
    return _page(200, "<h1>Cluster</h1>" + "".join(parts))


def _login_page(status: int, problem: str = "") -> Reply:
    notice = f"<p><b>{escape(problem)}</b></p>" if problem else ""
    form = (
        '<form method="post" action="/login"><p><label for="token">Token</label><br>'
        '<textarea id="token" name="token" rows="6" autocomplete="off"></textarea></p>'
        "<button>Log in</button></form>"
    )
    return _page(status, f"<h1>Log in to the cluster</h1>{NOTE}{notice}{form}")


def _page(status: int, body: str) -> Reply:
    head = f'<!doctype html><html lang="en"><head><title>kube-ui</title><style>{STYLE}</style>'
    return Reply.html(status, f"{head}</head><body>{body}</body></html>\n", HEADERS)


def _table(columns: Row, rows: list[Row]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines[:MOST_ROWS])
    more = f"<p>and {len(lines) - MOST_ROWS} more</p>" if len(lines) > MOST_ROWS else ""
    return f"<table><tr>{head}</tr>{body}</table>{more}"


def _node_row(node: Mapping[str, Any]) -> Row:
    status = node.get("status", {})
    ready = any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in status.get("conditions", ())
    )
    words = ["Ready" if ready else "NotReady"]
    if node.get("spec", {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    version = status.get("nodeInfo", {}).get("kubeletVersion", "")
    pods = status.get("allocatable", {}).get("pods", "")
    return (node["metadata"]["name"], ", ".join(words), version, str(pods))


def _pod_row(pod: Mapping[str, Any]) -> Row:
    meta, status = pod["metadata"], pod.get("status", {})
    containers = pod["spec"]["containers"]
    ready = sum(1 for one in status.get("containerStatuses", ()) if one.get("ready"))
    word = "Terminating" if meta.get("deletionTimestamp") else status.get("phase", "")
    node = pod["spec"].get("nodeName", "")
    return (meta["namespace"], meta["name"], f"{ready}/{len(containers)}", word, node)


def _service_row(service: Mapping[str, Any]) -> Row:
    meta, spec = service["metadata"], service.get("spec", {})
    ports = ", ".join(
        f"{port['port']}:{port['nodePort']}" if port.get("nodePort") else str(port["port"])
        for port in spec.get("ports", ())
    )
    kind = spec.get("type", "ClusterIP")
    return (meta["namespace"], meta["name"], kind, spec.get("clusterIP", ""), ports)


TABLES: tuple[tuple[str, str, Row, Callable[[Mapping[str, Any]], Row]], ...] = (
    ("Nodes", "/api/v1/nodes", ("Name", "Status", "Version", "Pods"), _node_row),
    (
        "Pods",
        "/api/v1/pods",
        ("Namespace", "Name", "Ready", "Status", "Node"),
        _pod_row,
    ),
    (
        "Services",
        "/api/v1/services",
        ("Namespace", "Name", "Type", "Cluster IP", "Ports"),
        _service_row,
    ),
)
