"""The mapping of QingCloud's errors to ours.

The cloud answers HTTP 200 also to refused calls; `ret_code` in the body decides. Source: the API's
page of error codes; the texts are those that public clients have met.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

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

DENIED = 1400
QUOTA = 2500
INTERNAL_ERROR = 5000
TOO_LONG = (413, 414, 431)
"""HTTP statuses of a gateway that refuses a request as too long."""
PAUSE_AFTER_TOO_MANY = 30.0
"""Seconds in which a run sends nothing after the cloud has refused a call as one too many."""
LONGEST_TEXT = 300
"""Characters of the cloud's message that an error quotes."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row of the table: the class of the error, and advice for the user."""

    error: type[ClusterError]
    advice: str


# 1100 and 1101 are `Refused` and not `InvalidSpec`: descriptions are validated before any call, so
# a parameter that the cloud cannot read is a mistake of our code, and an error about the cluster's
# description would be misleading.
MEANINGS: Mapping[int, Meaning] = {
    1100: Meaning(Refused, "A parameter is missing or malformed; repeating will not help."),
    1101: Meaning(Refused, "A parameter has the wrong form; repeating will not help."),
    1200: Meaning(AccessDenied, "Check the access key id, its secret, and what it may do."),
    1300: Meaning(
        AccessDenied,
        "The request was too old when it arrived: set the clock of this machine, which may be "
        "at most 60 seconds off.",
    ),
    DENIED: Meaning(Refused, "The resource's state or the account's rights do not allow it."),
    2100: Meaning(NotFound, "It does not exist, or no longer."),
    2110: Meaning(AlreadyExists, "It exists already."),
    2400: Meaning(BalanceTooLow, "Top up the account, then run it again."),
    QUOTA: Meaning(QuotaReached, "Free some, or ask QingCloud to raise the quota by a ticket."),
    5100: Meaning(TemporaryError, "The cloud is busy; try again later."),
    5200: Meaning(OutOfStock, "Try another instance type or zone, or try later."),
    5300: Meaning(TemporaryError, "The cloud is being updated; try again later."),
    5400: Meaning(Refused, "Something still depends on it; remove that first."),
}


def error_of_code(
    call: str, ret_code: int, message: str, *, lost: type[TemporaryError]
) -> ClusterError:
    """Map a refusal to an error with advice.

    Args:
        call: action and request id, for the message.
        message: the cloud's text, which decides where a code has several meanings.
        lost: class for an unknown outcome: `TemporaryError` where the call may be retried.
    """
    meaning = _meaning(ret_code, message, lost)
    text = " ".join(message.split())[:LONGEST_TEXT] or "no message"
    sentence = f"{call}: {text} (ret_code {ret_code}). {meaning.advice}"
    if meaning.error is TooManyCalls:
        return TooManyCalls(sentence, retry_after=PAUSE_AFTER_TOO_MANY)
    return meaning.error(sentence)


def _meaning(ret_code: int, message: str, lost: type[TemporaryError]) -> Meaning:
    words = message.lower()
    if ret_code == QUOTA and (lost is TemporaryError or _ABOUT_CALLS.search(words)):
        # One code for two quotas; a read uses up none but that of calls.
        return Meaning(TooManyCalls, "The account makes too many calls; they continue in a while.")
    if ret_code == DENIED and "please try later" in words:
        return Meaning(TemporaryError, "The resource is busy or too young; try again later.")
    if ret_code == DENIED and "already been deleted" in words:
        return MEANINGS[2100]
    if ret_code == INTERNAL_ERROR and "already existed" in words:
        return MEANINGS[2110]
    if ret_code == INTERNAL_ERROR:
        return Meaning(lost, advice_on_lost(lost))
    return MEANINGS.get(ret_code, Meaning(FinalError, "Look the code up in the API's documents."))


_ABOUT_CALLS = re.compile(r"\b(api|calls?|requests?|rate|frequen\w*|too many|throttl\w*)\b")
"""Words of the quota of calls. How the cloud words a throttled answer is not documented."""


def error_of_status(
    call: str,
    status: int,
    endpoint: str,
    *,
    retry_after: float | None,
    lost: type[TemporaryError],
) -> ClusterError:
    """Map an HTTP status other than 200 to an error.

    The API itself always answers 200. 429 and the statuses for too long requests mean that the
    call was not processed; another 3xx or 4xx comes from a server that is not the API; a 5xx comes
    from a gateway that may have forwarded the call.
    """
    if status == 429:
        pause = PAUSE_AFTER_TOO_MANY if retry_after is None else retry_after
        return TooManyCalls(f"{call}: HTTP 429, too many calls.", retry_after=pause)
    if status in TOO_LONG:
        return Refused(f"{call}: HTTP {status}, the request is too long.")
    if 300 <= status < 500 and status != 408:
        return Unreachable(
            f"{call}: {endpoint} answers HTTP {status}, so it is not a QingCloud API. "
            "Check the endpoint's scheme, port and path (usually /iaas/)."
        )
    return lost(f"{call}: HTTP {status}. {advice_on_lost(lost)}", retry_after=retry_after)


def advice_on_lost(lost: type[TemporaryError]) -> str:
    """The advice when it is unknown whether a call has acted."""
    if issubclass(lost, UnknownOutcome):
        return "It may have acted: look before doing it again."
    return "Try again."
