"""Errors of the IaaS API: a code, a kind and an English sentence.

The HTTP status is 200. Codes and wordings follow QingCloud's documentation and the replies quoted
in public issues; where neither has one, the wording is ours.
"""

from typing import ClassVar


class Refusal(Exception):
    """Root of all refusals; `str()` is the message as the API sends it."""

    ret_code: int
    kind: ClassVar[str]

    def __init__(self, detail: str) -> None:
        super().__init__(f"{self.kind}, {detail}")


class Injected(Refusal):
    """A refusal injected by a fault, with any code."""

    KINDS: ClassVar[dict[int, str]] = {
        1100: "InvalidParameterFormat",
        1200: "AuthFailure",
        1300: "RequestHasExpired",
        1400: "PermissionDenied",
        2100: "ResourceNotFound",
        2110: "ResourceAlreadyExisted",
        2400: "InsufficientBalance",
        2500: "QuotasExceeded",
        5000: "InternalError",
        5100: "ServerBusy",
        5200: "InsufficientResource",
        5300: "ServiceUpdating",
    }

    def __init__(self, ret_code: int, message: str = "") -> None:
        kind = self.KINDS.get(ret_code, "Fault")
        Exception.__init__(self, message or f"{kind}, a fault of the local cloud asks for this")
        self.ret_code = ret_code


class MissingParameter(Refusal):
    ret_code = 1100
    kind = "MissingParameter"

    def __init__(self, name: str) -> None:
        super().__init__(f"missing parameter [{name}]")


class BadParameter(Refusal):
    ret_code = 1100
    kind = "InvalidParameterFormat"


class AuthFailure(Refusal):
    ret_code = 1200
    kind = "AuthFailure"


class RequestExpired(Refusal):
    ret_code = 1300
    kind = "RequestHasExpired"


class PermissionDenied(Refusal):
    """Wrong state, still in use, or not allowed. Worth a retry only with `please try later`."""

    ret_code = 1400
    kind = "PermissionDenied"


class UnknownAction(PermissionDenied):
    def __init__(self, action: str) -> None:
        super().__init__(f"can't handle this request: the action [{action}] is not known here")


class NotEmulated(PermissionDenied):
    """The real cloud supports this, the local one does not; refused rather than half done."""

    def __init__(self, what: str) -> None:
        super().__init__(f"can't handle this request: the local cloud does not emulate {what}")


class StillInTransition(PermissionDenied):
    def __init__(self, resource_id: str, transition: str) -> None:
        super().__init__(f"resource [{resource_id}] is [{transition}], please try later")


class LeaseNotReady(PermissionDenied):
    def __init__(self, resource_id: str) -> None:
        super().__init__(f"resource [{resource_id}] lease info not ready yet, please try later")


class ResourceNotFound(Refusal):
    ret_code = 2100
    kind = "ResourceNotFound"

    def __init__(self, resource_id: str) -> None:
        super().__init__(f"resource [{resource_id}] not found")


class ResourceExists(Refusal):
    ret_code = 2110
    kind = "ResourceAlreadyExisted"


class QuotaExceeded(Refusal):
    ret_code = 2500
    kind = "QuotasExceeded"

    def __init__(self, kind: str, left: int, wanted: int) -> None:
        super().__init__(f"quota of [{kind}] is not enough: {left} left, {wanted} wanted")


class TooManyCalls(Refusal):
    """The code is documented; the message of the real reply is not known."""

    ret_code = 2500
    kind = "QuotasExceeded"

    def __init__(self, calls: int, seconds: float) -> None:
        super().__init__(f"more than [{calls}] API calls in [{seconds:g}] seconds")


class OutOfStock(Refusal):
    ret_code = 5200
    kind = "InsufficientResource"

    def __init__(self, type_id: str, zone: str) -> None:
        super().__init__(f"zone [{zone}] has not enough resources for instance_type [{type_id}]")


class InternalError(Refusal):
    ret_code = 5000
    kind = "InternalError"


class JobFailure(Exception):
    """The job fails; the text goes to its `error_codes`."""
