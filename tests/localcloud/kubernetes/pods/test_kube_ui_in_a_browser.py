"""kube-ui in Chromium: it searches while one types, and reads itself again."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from localcloud.kubernetes.pods import kube_ui
from localcloud.kubernetes.pods.http import Reply, Request, serve_connection
from tests.acceptance.browser import CHROMIUM, DRIVER, chromium
from tests.localcloud.kubernetes.pods.test_kube_ui import Api, node, pod

pytestmark = [
    pytest.mark.local,
    pytest.mark.browser,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver, as .ci/run installs"
    ),
]


@contextmanager
def served(api: Api) -> Iterator[str]:
    """The pages on a loopback port, as behind the load balancer; their address."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    stop = Event()
    thread = Thread(target=lambda: asyncio.run(serve(listener, api, stop)))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        thread.join(10)
        listener.close()


async def serve(listener: socket.socket, api: Api, stop: Event) -> None:
    """Answer until the event is set; connections that are open then end with this."""

    async def answer(request: Request) -> Reply:
        return await kube_ui.answer({}, request, api.read)

    async def accept() -> None:
        loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        while True:
            connection, _ = await loop.sock_accept(listener)
            tasks.add(asyncio.create_task(serve_connection(connection, answer)))

    accepting = asyncio.create_task(accept())
    await asyncio.to_thread(stop.wait)
    accepting.cancel()


def test_a_user_logs_in_searches_and_sees_what_has_changed(tmp_path: Path) -> None:
    api = Api(nodes=[node("node-1")], pods=[pod("apple-1"), pod("pear-1")])
    with served(api) as url, chromium(url, tmp_path) as page:
        page.visit(f"{url}/")
        page.see("Log in to the cluster")
        page.write("textarea", "known")
        page.choose("button", "Log in")
        page.see("node-1", "2 of 42")

        page.visit(f"{url}/pods")
        page.write("input[name=q]", "app")
        shown = "return [...document.querySelectorAll('tbody tr')].map(r => !r.hidden)"
        assert page.run(shown) == [True, False]

        api.lists["pods"].append(pod("apple-2", phase="Pending"))
        page.choose("a", "Refresh")
        page.see("apple-2", "Pending")  # and what was typed still searches
        assert page.run(shown) == [True, False, True]

        page.choose("a", "apple-2")
        page.see("Containers", "nginx", "As the API has it")
        page.choose("button", "Log out")
        page.see("Log in to the cluster")
