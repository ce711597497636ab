"""What goes wrong with one call, and on which side it can."""

from collections.abc import Mapping
from enum import StrEnum


class Side(StrEnum):
    """What a call is sent to."""

    CLOUD = "cloud"
    KUBERNETES = "kubernetes"
    SSH = "ssh"


class Trouble(StrEnum):
    """How one call goes wrong. Words of HTTP and of QingCloud are as on the wire."""

    KILLED_BEFORE = "killed-before"
    """The run gets SIGKILL; its request is not delivered."""
    KILLED_AFTER = "killed-after"
    """The request acts, then the run gets SIGKILL."""
    KILLED_LATE = "killed-late-75s"
    """The run gets SIGKILL, and its request acts 75 seconds later."""
    REQUEST_LOST = "request-lost"
    """The connection is cut; the request is not delivered."""
    REPLY_LOST = "reply-lost"
    """The request acts, and the connection is cut instead of an answer."""
    LATE = "late-75s"
    """The connection is cut, and the request acts 75 seconds later."""
    BUSY = "5100"
    """`ret_code` 5100, busy; nothing acted."""
    INTERNAL = "5000"
    """`ret_code` 5000, internal error; nothing acted."""
    INTERNAL_ACTED = "5000-acted"
    """The request acts, and is answered with `ret_code` 5000."""
    GATEWAY = "502"
    """HTTP 502 of a gateway; nothing acted."""
    GATEWAY_ACTED = "502-acted"
    """The request acts, and is answered with HTTP 502."""
    LATER = "1400-later"
    """`ret_code` 1400, please try later; nothing acted."""
    TOO_MANY = "2500-calls"
    """`ret_code` 2500, too many calls; nothing acted."""
    GARBLED = "garbled"
    """The request acts, and is answered with half of a document."""
    TIME_OUT = "time-out"
    """The request acts, and no answer comes within the client's time limit."""
    ANOTHER = "another-answer"
    """The request acts, and is answered with the answer to an earlier call."""
    CLOUD_KILLED_BEFORE = "cloud-killed-before"
    """The local cloud gets SIGKILL before the request is delivered, and is started again."""
    CLOUD_KILLED_AFTER = "cloud-killed-after"
    """The request acts, then the local cloud gets SIGKILL and is started again."""
    AWAY = "away-60s"
    """All connections are cut, and none is accepted for 60 seconds."""
    UNAVAILABLE = "503"
    """HTTP 503 of an API server; nothing acted."""
    CUT_AMID = "cut-amid"
    """The connection is cut at the first line of the command's output; the command goes on."""


COMMON = (
    Trouble.KILLED_BEFORE,
    Trouble.KILLED_AFTER,
    Trouble.REQUEST_LOST,
    Trouble.REPLY_LOST,
)

TROUBLES: Mapping[Side, tuple[Trouble, ...]] = {
    Side.CLOUD: (
        *COMMON,
        Trouble.LATE,
        Trouble.KILLED_LATE,
        Trouble.BUSY,
        Trouble.INTERNAL,
        Trouble.INTERNAL_ACTED,
        Trouble.GATEWAY,
        Trouble.GATEWAY_ACTED,
        Trouble.LATER,
        Trouble.TOO_MANY,
        Trouble.GARBLED,
        Trouble.TIME_OUT,
        Trouble.ANOTHER,
        Trouble.CLOUD_KILLED_BEFORE,
        Trouble.CLOUD_KILLED_AFTER,
    ),
    Side.KUBERNETES: (
        *COMMON,
        Trouble.AWAY,
        Trouble.UNAVAILABLE,
        Trouble.GATEWAY_ACTED,
        Trouble.GARBLED,
        Trouble.CLOUD_KILLED_AFTER,
    ),
    Side.SSH: (
        *COMMON,
        Trouble.CUT_AMID,
        Trouble.AWAY,
    ),
}
"""The troubles of each side."""

ACTED = frozenset(
    {
        Trouble.KILLED_AFTER,
        Trouble.REPLY_LOST,
        Trouble.INTERNAL_ACTED,
        Trouble.GATEWAY_ACTED,
        Trouble.GARBLED,
        Trouble.TIME_OUT,
        Trouble.ANOTHER,
        Trouble.CLOUD_KILLED_AFTER,
    }
)
"""The troubles in which the request is delivered before anything goes wrong."""

LATE = frozenset({Trouble.LATE, Trouble.KILLED_LATE})
"""The troubles in which the request is delivered later."""

KILLS = frozenset({Trouble.KILLED_BEFORE, Trouble.KILLED_AFTER, Trouble.KILLED_LATE})
"""The troubles that end the run's process, so that the command has to be typed again."""
