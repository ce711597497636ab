"""Rings of tests, by folder; CONTRIBUTING.md names them.

A file or a test that belongs to another ring than its folder's carries that ring's marker itself.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

# Not later: where a test has run a command in this process, whose imports are frozen, hypothesis
# does not find who refers to the random numbers of other libraries, and warns.
import hypothesis  # noqa: F401
import pytest

TESTS = Path(__file__).resolve().parent
RINGS = ("pure", "local", "acceptance", "machine", "team")
FOLDERS = {
    "": "local",
    "acceptance": "acceptance",
    "machines": "machine",
    "team": "team",
    "benchmarks": "pure",
    "domain": "pure",
    "localcloud/kubernetes/access": "pure",
    "localcloud/kubernetes/controllers": "pure",
    "localcloud/kubernetes/kubelet": "pure",
    "localcloud/kubernetes/objects": "pure",
    "localcloud/kubernetes/printing": "pure",
}
"""The ring of a folder and of those in it that have none of their own."""

FORBIDDEN = ("socket.bind", "socket.connect", "subprocess.Popen", "os.fork")
"""What a pure test does not do; Python reports each as an audit event."""

_pure_test: list[str] = []


LONG = (
    "acceptance/test_autoscale.py",
    "acceptance/test_bad_input.py",
    "acceptance/test_main_job.py",
    "acceptance/test_metrics.py",
    "acceptance/test_pages.py",
    "acceptance/test_ui.py",
    "flows/runbooks/test_crashes.py",
)
"""Files that take minutes: they begin first, so that nothing waits for them at last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not any(item.get_closest_marker(ring) for ring in RINGS):
            item.add_marker(ring_of(item.path))
    _order_files(items)


def _order_files(items: list[pytest.Item]) -> None:
    """Long files first, then those with many tests; several processes take one after the other."""
    counts = Counter(item.path for item in items)
    places = {path: place for place, path in enumerate(counts)}
    long = {TESTS / name for name in LONG}
    items.sort(key=lambda item: (item.path not in long, -counts[item.path], places[item.path]))


def ring_of(path: Path) -> str:
    """The ring of the innermost folder that has one."""
    folders = path.relative_to(TESTS).parents
    names = (folder.as_posix().removeprefix(".") for folder in folders)
    return next(FOLDERS[name] for name in names if name in FOLDERS)


@pytest.fixture(autouse=True)
def _nothing_but_python(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a pure test that opens a connection or starts a process."""
    if request.node.get_closest_marker("pure") is None:
        yield
        return
    _pure_test.append(request.node.nodeid)
    try:
        yield
    finally:
        _pure_test.clear()


def _refuse_outside(event: str, arguments: tuple[object, ...]) -> None:
    if _pure_test and event in FORBIDDEN:
        raise AssertionError(f"{_pure_test[-1]} is pure and does {event}; mark it `local`")


sys.addaudithook(_refuse_outside)
