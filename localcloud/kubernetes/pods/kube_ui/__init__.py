"""The pages that stand in for Headlamp: log in with a token, then look at the cluster.

Like the real one they have no rights of their own: each read of the API has the user's token, and
what the API refuses is shown as refused. Nothing can be changed here. The tables are complete
without JavaScript; with it they are searched while one types, and read again every ten seconds.
"""

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, unquote

from localcloud.kubernetes.pods.http import ReadApi, Reply, Request
from localcloud.kubernetes.pods.kube_ui.html import Html, show_login, show_page
from localcloud.kubernetes.pods.kube_ui.pages import PAGES, Look, TokenRefused, show_object
from localcloud.kubernetes.pods.kube_ui.words import language_of, words_in

COOKIE = "kube-ui-token"
MAX_TOKEN = 16 * 1024  # bytes of a login form; a token is about one KiB

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

ASSETS = {
    "/assets/page.css": "text/css; charset=utf-8",
    "/assets/page.js": "text/javascript; charset=utf-8",
}


async def answer(pod: Mapping[str, Any], request: Request, read: ReadApi | None) -> Reply:
    """Answer one request of a browser."""
    words = words_in(language_of(request.headers.get("accept-language", "")))
    match request.method, request.path:
        case "POST", "/login":
            return await _log_in(request, read, words)
        case "POST", "/logout":
            return _back_home("", request.secure)
        case "GET" | "HEAD", path if path in ASSETS:
            return _asset(path)
        case "GET" | "HEAD", path if _is_page(path):
            return await _show(request, read, words)
        case _, path if path in ("/login", "/logout", *ASSETS) or _is_page(path):
            return _reply(405, show_page("", Html("<h1>Method not allowed</h1>"), words))
        case _:
            return _reply(404, show_page("", Html("<h1>No such page</h1>"), words))


def _is_page(path: str) -> bool:
    return path in PAGES or path.startswith("/object/")


def _asset(path: str) -> Reply:
    file = files(__name__) / path.removeprefix("/")
    return Reply(200, {**HEADERS, "content-type": ASSETS[path]}, file.read_bytes())


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


async def _show(request: Request, read: ReadApi | None, words: Mapping[str, str]) -> Reply:
    """Show a page to a user who has logged in, and the form to others."""
    token = _token_of(request)
    if not token:
        return _reply(200, show_login("", words))
    if read is None:
        return _reply(503, show_login("This way in cannot reach the Kubernetes API.", words))
    query = {name: values[-1] for name, values in parse_qs(request.query).items()}
    look = Look(read, token, words, query.get("namespace", ""), query.get("q", "")[:200])
    try:
        body = await _body_of(request.path, look)
    except TokenRefused:
        problem = "The Kubernetes API does not accept this token any more."
        return _reply(401, show_login(problem, words))
    if body is None:
        return _reply(404, show_page("", Html("<h1>No such page</h1>"), words))
    return _reply(200, show_page(request.path, body, words))


async def _body_of(path: str, look: Look) -> Html | None:
    if path in PAGES:
        return await PAGES[path](look)
    return await show_object(look, unquote(path).removeprefix("/object/").split("/"))


async def _log_in(request: Request, read: ReadApi | None, words: Mapping[str, str]) -> Reply:
    if len(request.body) > MAX_TOKEN:
        return _reply(413, show_login("That is too long for a token.", words))
    form = parse_qs(request.body.decode("utf-8", "replace"))
    token = "".join(form.get("token", [""])[0].split())
    if not token.isascii() or not token:
        return _reply(400, show_login("Please paste a token.", words))
    if read is None:
        return _reply(503, show_login("This way in cannot reach the Kubernetes API.", words))
    status, _ = await read("/api", token)
    if status == 401:
        return _reply(401, show_login("The Kubernetes API does not accept this token.", words))
    return _back_home(token, request.secure)


def _back_home(token: str, secure: bool) -> Reply:
    """Set or clear the cookie, then send the browser to the first page."""
    cookie = f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict"
    cookie += "; Secure" if secure else ""
    cookie += "" if token else "; Max-Age=0"
    return Reply(303, {**HEADERS, "location": "/", "set-cookie": cookie}, b"")


def _reply(status: int, page: str) -> Reply:
    return Reply.html(status, page, HEADERS)
