"""Every way in which a call can fail, for a call that may be repeated and for one that may not."""

import traceback
from collections.abc import Callable

import pytest

from clients.qingcloud import QingCloud
from clients.qingcloud.errors import MEANINGS, PAUSE_AFTER_TOO_MANY
from domain.kernel.errors import (
    AccessDenied,
    AlreadyExists,
    BalanceTooLow,
    ClusterError,
    FinalError,
    NotFound,
    OutOfStock,
    QuotaReached,
    Refused,
    TemporaryError,
    TooManyCalls,
    UnknownOutcome,
    Unreachable,
)
from domain.kernel.waiting import READ_PAUSES
from tests.clients.qingcloud.canned_cloud import KEY, SECRET, Answer, CannedCloud, ok, refused
from tests.domain.clocks import JumpingClock

LEASE = "PermissionDenied, resource [eip-1] lease info not ready yet, please try later"
BUSY = "PermissionDenied, resource [rtr-1] is [updating], please try later"


def read(client: QingCloud) -> object:
    return client.list_rules("sg-1")


def change(client: QingCloud) -> object:
    return client.create_vpc("k8s.demo.router", "192.168.0.0/16", "sg-1")


def failure_of(call: Callable[[QingCloud], object], client: QingCloud) -> ClusterError:
    with pytest.raises(ClusterError) as caught:
        call(client)
    return caught.value


@pytest.mark.parametrize(
    ("ret_code", "message", "after_read", "after_change"),
    [
        (1100, "", Refused, Refused),
        (1101, "", Refused, Refused),
        (1200, "AuthFailure, signature not matched", AccessDenied, AccessDenied),
        (1300, "", AccessDenied, AccessDenied),
        (1400, LEASE, TemporaryError, TemporaryError),
        (1400, BUSY, TemporaryError, TemporaryError),
        (1400, "PermissionDenied, instance [i-1] is not running", Refused, Refused),
        (1400, "PermissionDenied, [rtr-1] has already been deleted", NotFound, NotFound),
        *((code, "", FinalError, FinalError) for code in (1500, 1510, 1520)),
        *((code, "", FinalError, FinalError) for code in (1600, 1610, 1620, 1630)),
        *((code, "", FinalError, FinalError) for code in (1640, 1650, 1660, 1661, 1662)),
        (2000, "", FinalError, FinalError),
        (2100, "ResourceNotFound", NotFound, NotFound),
        (2110, "", AlreadyExists, AlreadyExists),
        (2200, "", FinalError, FinalError),
        (2300, "", FinalError, FinalError),
        (2400, "", BalanceTooLow, BalanceTooLow),
        (2500, "QuotasExceeded", TooManyCalls, QuotaReached),
        (2500, "QuotasExceeded, too many API calls", TooManyCalls, TooManyCalls),
        (3300, "", FinalError, FinalError),
        *((code, "", FinalError, FinalError) for code in range(4000, 4006)),
        (5000, "InternalError", TemporaryError, UnknownOutcome),
        (5000, "InternalError, tag [demo] already existed", AlreadyExists, AlreadyExists),
        (5100, "ServerBusy", TemporaryError, TemporaryError),
        (5200, "", OutOfStock, OutOfStock),
        (5300, "", TemporaryError, TemporaryError),
        (5400, "", Refused, Refused),
        (5500, "", FinalError, FinalError),
        (5600, "", FinalError, FinalError),
        *((code, "", FinalError, FinalError) for code in range(8000, 8005)),
        (987654, "something new", FinalError, FinalError),
    ],
)
def test_ret_code_is_mapped_to_an_error_with_advice(
    canned: CannedCloud,
    client: QingCloud,
    ret_code: int,
    message: str,
    after_read: type[ClusterError],
    after_change: type[ClusterError],
) -> None:
    canned.script = lambda request: refused(ret_code, message)

    for call, expected in ((read, after_read), (change, after_change)):
        error = failure_of(call, client)
        assert type(error) is expected
        assert f"ret_code {ret_code}" in str(error)
        assert message in str(error)
    assert canned.actions == ["DescribeSecurityGroupRules", "CreateRouters"]


def test_every_row_of_the_table_has_an_advice() -> None:
    assert all(meaning.advice.endswith(".") for meaning in MEANINGS.values())


def test_error_of_an_old_request_names_the_clock(canned: CannedCloud, client: QingCloud) -> None:
    canned.play(refused(1300, "RequestHasExpired"))
    assert "clock of this machine" in str(failure_of(read, client))


@pytest.mark.parametrize(
    ("answer", "after_read", "after_change"),
    [
        pytest.param(Answer(fate="closed"), TemporaryError, UnknownOutcome, id="closed"),
        pytest.param(Answer(fate="reset"), TemporaryError, UnknownOutcome, id="reset"),
        pytest.param(
            Answer(b'{"ret_code": 0', fate="truncated"),
            TemporaryError,
            UnknownOutcome,
            id="lost in the middle of the reply",
        ),
        pytest.param(Answer(status=502), TemporaryError, UnknownOutcome, id="502"),
        pytest.param(Answer(status=503), TemporaryError, UnknownOutcome, id="503"),
        pytest.param(Answer(status=408), TemporaryError, UnknownOutcome, id="408"),
        pytest.param(Answer(status=429), TooManyCalls, TooManyCalls, id="429"),
        pytest.param(Answer(status=404), Unreachable, Unreachable, id="404"),
        pytest.param(Answer(status=414), Refused, Refused, id="414"),
        pytest.param(Answer(status=301), Unreachable, Unreachable, id="redirect"),
        pytest.param(Answer(b""), TemporaryError, UnknownOutcome, id="empty"),
        pytest.param(Answer(b"<html>"), TemporaryError, UnknownOutcome, id="not JSON"),
        pytest.param(Answer(b"[]"), TemporaryError, UnknownOutcome, id="JSON list"),
        pytest.param(Answer(b"null"), TemporaryError, UnknownOutcome, id="JSON null"),
        pytest.param(Answer(b"\xff\xfe"), TemporaryError, UnknownOutcome, id="not text"),
        pytest.param(Answer(b"{}"), TemporaryError, UnknownOutcome, id="no ret_code"),
    ],
)
def test_a_lost_reply_is_temporary_for_a_read_and_of_unknown_outcome_for_a_change(
    canned: CannedCloud,
    client: QingCloud,
    answer: Answer,
    after_read: type[ClusterError],
    after_change: type[ClusterError],
) -> None:
    canned.script = lambda request: answer

    assert type(failure_of(read, client)) is after_read
    assert type(failure_of(change, client)) is after_change
    assert len(canned.requests) == 2, "each call is sent once"


def test_call_without_an_answer_ends_after_the_reply_timeout(canned: CannedCloud) -> None:
    client = QingCloud("pek3a", KEY, SECRET, canned.endpoint, reply_timeout=0.05, read_pauses=())
    canned.script = lambda request: Answer(fate="never")

    assert type(failure_of(read, client)) is TemporaryError
    assert type(failure_of(change, client)) is UnknownOutcome


def test_an_upload_with_a_lost_reply_may_be_repeated(
    canned: CannedCloud, client: QingCloud
) -> None:
    canned.play(Answer(fate="closed"))
    error = failure_of(lambda client: client.upload_userdata(b"tar"), client)
    assert type(error) is TemporaryError


def test_retry_after_of_a_gateway_is_kept(canned: CannedCloud, client: QingCloud) -> None:
    canned.play(Answer(status=429, headers={"Retry-After": "7"}))
    error = failure_of(read, client)
    assert isinstance(error, TemporaryError)
    assert error.retry_after == 7


@pytest.mark.parametrize("call", [read, change])
def test_a_refused_connection_is_unreachable_because_nothing_was_sent(
    call: Callable[[QingCloud], object],
) -> None:
    with CannedCloud() as gone:
        endpoint = gone.endpoint
    error = failure_of(call, QingCloud("pek3a", KEY, SECRET, endpoint))
    assert type(error) is Unreachable
    assert endpoint in str(error)
    assert "nothing was sent" in str(error)


@pytest.mark.parametrize(
    ("reply", "named"),
    [
        ({}, "routers"),
        ({"routers": []}, "routers"),
        ({"routers": [""]}, "routers"),
        ({"routers": ["rtr-1"]}, "job_id"),
        ({"routers": ["rtr-1"], "job_id": None}, "job_id"),
    ],
)
def test_an_accepted_change_with_an_unusable_reply_has_an_unknown_outcome(
    canned: CannedCloud, client: QingCloud, reply: dict[str, object], named: str
) -> None:
    canned.play(ok(**reply))
    error = failure_of(change, client)
    assert type(error) is UnknownOutcome
    assert named in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        refused(1100, "BadRequest"),
        refused(5000, "InternalError"),
        Answer(b"<html>"),
        Answer(status=502),
        Answer(status=404),
        Answer(fate="closed"),
        Answer(b'{"ret_code": 0, "attachment_id": {"hidden": "in the reply"}}'),
    ],
)
def test_no_failure_shows_the_secret_or_what_was_sent(
    canned: CannedCloud, client: QingCloud, answer: Answer
) -> None:
    canned.play(answer)
    error = failure_of(lambda client: client.upload_userdata(b"private host key"), client)

    shown = "".join(traceback.format_exception(error)) + repr(client)
    encoded = canned.requests[0].params["attachment_content"]
    for hidden in (SECRET, KEY, encoded, "signature=", "in the reply"):
        assert hidden not in shown


def test_a_long_text_of_the_cloud_is_cut(canned: CannedCloud, client: QingCloud) -> None:
    canned.play(refused(1400, "x" * 10_000))
    assert len(str(failure_of(read, client))) < 1000


def test_a_read_is_repeated_while_its_error_may_pass_and_a_change_is_not(
    canned: CannedCloud,
) -> None:
    clock = JumpingClock()
    client = QingCloud("pek3a", KEY, SECRET, canned.endpoint, clock=clock)
    canned.play(refused(5100), Answer(fate="closed"), ok(security_group_rule_set=[], total_count=0))
    assert read(client) == []
    assert clock.monotonic() == sum(READ_PAUSES)
    canned.play(refused(5100), ok())
    assert type(failure_of(change, client)) is TemporaryError
    assert len(canned.requests) == 4


def test_one_call_too_many_makes_all_calls_pause(canned: CannedCloud) -> None:
    clock = JumpingClock()
    client = QingCloud("pek3a", KEY, SECRET, canned.endpoint, read_pauses=(), clock=clock)
    canned.play(refused(2500, "too many API calls"), ok(security_group_rule_set=[], total_count=0))
    assert type(failure_of(change, client)) is TooManyCalls
    assert clock.monotonic() == 0
    assert read(client) == []
    assert clock.monotonic() == PAUSE_AFTER_TOO_MANY
