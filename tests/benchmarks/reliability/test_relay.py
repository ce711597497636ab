"""Each trouble does to a call exactly what its description says."""

import http.client
import json
from collections.abc import Callable, Iterator

import pytest

from benchmarks.reliability.gate import Gate, NoTrouble, OnePoint
from benchmarks.reliability.points import Point, Site, Stage
from benchmarks.reliability.relay import HttpRelay
from benchmarks.reliability.troubles import ACTED, KILLS, LATE, TROUBLES, Side, Trouble
from benchmarks.reliability.wires import Answer, CloudWire, Request

pytestmark = pytest.mark.local

CALL = "/iaas/?action=CreateTag&tag_name=demo"
LOST = "lost"


class Cloud(CloudWire):
    """Counts what is delivered; a document names the action."""

    def __init__(self) -> None:
        super().__init__(lambda: "http://127.0.0.1:1")
        self.delivered: list[str] = []

    def deliver(self, request: Request) -> Answer:
        name, _ = self.name(request)
        self.delivered.append(name)
        return Answer.of(200, {"action": f"{name}Response", "ret_code": 0})


class Place:
    """Records what is done to the run and to the cloud."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.done: list[str] = []
        self.late: list[Callable[[], object]] = []

    def kill_run(self) -> None:
        self.done.append("run killed")

    def restart_cloud(self) -> None:
        self.done.append("cloud killed")

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        self.late.append(act)

    def send_away(self, side: Side, seconds: float) -> None:
        self.done.append(f"{side} away")

    def is_away(self, side: Side) -> bool:
        return False


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def relay(place: Place, cloud: Cloud) -> Iterator[HttpRelay]:
    one = HttpRelay("127.0.0.1", cloud, place)
    yield one
    one.shutdown()
    one.server_close()


def ask(relay: HttpRelay, path: str = CALL, patience: float = 30) -> str:
    """Send a call. Returns: the body of its answer with the status, or `lost`."""
    connection = http.client.HTTPConnection("127.0.0.1", relay.server_address[1], timeout=patience)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return f"{reply.status} {reply.read().decode()}"
    except (OSError, http.client.HTTPException):
        return LOST
    finally:
        connection.close()


def patience(trouble: Trouble) -> float:
    """Seconds that the client waits; little where no answer comes."""
    return 0.05 if trouble is Trouble.TIME_OUT else 30


def strike(place: Place, trouble: Trouble) -> None:
    site = Site(Stage.PROVISION, Side.CLOUD, "CreateTag", 1)
    place.gate.begin(Stage.PROVISION, OnePoint(Point(site, trouble)))


@pytest.mark.parametrize("trouble", TROUBLES[Side.CLOUD], ids=str)
def test_request_acts_where_the_trouble_says_so_and_once(
    relay: HttpRelay, place: Place, cloud: Cloud, trouble: Trouble
) -> None:
    strike(place, trouble)
    ask(relay, patience=patience(trouble))
    assert cloud.delivered == (["CreateTag"] if trouble in ACTED else [])
    for act in place.late:
        act()
    assert len(cloud.delivered) == (trouble in ACTED or trouble in LATE)
    assert place.done == (
        ["run killed"]
        if trouble in KILLS
        else ["cloud killed"]
        if trouble in (Trouble.CLOUD_KILLED_BEFORE, Trouble.CLOUD_KILLED_AFTER)
        else []
    )
    assert ask(relay).startswith("200")  # it is struck once


@pytest.mark.parametrize(
    ("trouble", "answer"),
    [
        pytest.param(Trouble.BUSY, '"ret_code": 5100', id="busy"),
        pytest.param(Trouble.LATER, "please try later", id="later"),
        pytest.param(Trouble.GATEWAY_ACTED, "502 <html>", id="gateway"),
        pytest.param(Trouble.REPLY_LOST, LOST, id="reply lost"),
        pytest.param(Trouble.TIME_OUT, LOST, id="time-out"),
        pytest.param(Trouble.ANOTHER, "DescribeTagsResponse", id="another's answer"),
    ],
)
def test_answer_is_that_of_the_trouble(
    relay: HttpRelay, place: Place, trouble: Trouble, answer: str
) -> None:
    ask(relay, "/iaas/?action=DescribeTags")
    strike(place, trouble)
    assert answer in ask(relay, patience=patience(trouble))


def test_garbled_answer_is_no_document(relay: HttpRelay, place: Place) -> None:
    strike(place, Trouble.GARBLED)
    _, _, body = ask(relay).partition(" ")
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(body)


def test_only_changing_calls_are_sites(relay: HttpRelay, place: Place) -> None:
    place.gate.begin(Stage.TEARDOWN, NoTrouble())
    for action in ("DescribeTags", "DeleteTags", "GetQuotaLeft", "DeleteTags"):
        ask(relay, f"/iaas/?action={action}")
    assert [str(site) for site in place.gate.sites] == [
        "teardown:cloud:DeleteTags#1",
        "teardown:cloud:DeleteTags#2",
    ]
