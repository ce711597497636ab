"""All errors, grouped by what the caller can do next.

    ClusterError
    ├── TemporaryError        the same call may succeed later
    │   ├── TooManyCalls      the account's calls are used up for now
    │   └── UnknownOutcome    it may already have succeeded: look before doing it again
    └── FinalError            the same call will fail again
        ├── BadRequest        the request cannot be carried out: exit code 2, nothing was created
        │   ├── InvalidSpec (PolicyUnreadable), NameTaken, QuotaReached, AccessDenied, Unreachable,
        │   │   OtherAccount, NotConfirmed, CredentialsMissing, OtherRun, ForeignInside
        ├── ClaimLost         another run may be changing the cluster, so this one stops
        └── …                 a change was begun and could not be finished

Every message names the fact, the resource, and the next action. No message holds a secret.
"""


class ClusterError(Exception):
    """Root of all errors of this project."""


class TemporaryError(ClusterError):
    """The same call may succeed later.

    Attributes:
        retry_after: seconds that the server asked to wait, or None.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooManyCalls(TemporaryError):
    """The account has used up its calls for now; nothing was done."""


class UnknownOutcome(TemporaryError):
    """The reply was lost: the call may have acted. Look first, then decide."""


class FinalError(ClusterError):
    """The same call will fail again."""


class BadRequest(FinalError):
    """The request cannot be carried out; found before anything was created."""


class InvalidSpec(BadRequest):
    """A value of the cluster's description is invalid; the message names valid ones."""


class PolicyUnreadable(InvalidSpec):
    """The stored scaling policy is not valid in this version; only the autoscaler needs it."""

    def __init__(self, cluster: str, reason: str) -> None:
        super().__init__(
            f"the stored scaling policy of cluster {cluster} cannot be read ({reason}); store a "
            f"valid one under `scaling` with: python -m flows.provision --name {cluster} --file …"
        )


class OtherAccount(BadRequest):
    """A deployment was made for another account than the one that its block holds."""


class NameTaken(BadRequest):
    """A resource that is not this cluster's carries the name; it is never changed."""


class QuotaReached(BadRequest):
    """The account's quota does not allow it; a ticket to QingCloud raises it."""


class AccessDenied(BadRequest):
    """The cloud refuses the key, the secret, or the clock of this machine."""


class Unreachable(BadRequest):
    """Nothing answers at the endpoint."""


class NotConfirmed(BadRequest):
    """A change that costs money or deletes resources was not confirmed."""


class NotFound(FinalError):
    """The named resource does not exist (any more)."""


class BeingTornDown(NotFound):
    """The cluster is being torn down, so nothing is added to it any more."""


class AlreadyExists(FinalError):
    """The resource exists already."""


class Refused(FinalError):
    """The cloud refused the call: wrong state or missing permission (ret_code 1400 and similar)."""


class OutOfStock(FinalError):
    """The zone has no machine of the wanted type left (ret_code 5200)."""


class BalanceTooLow(FinalError):
    """The account cannot pay for it (ret_code 2400)."""


class RefusedAfterwards(FinalError):
    """The request was refused after something was changed: exit code 1."""


class JobFailed(FinalError):
    """The cloud accepted a call, and its job failed later."""


class WaitTimedOut(FinalError):
    """The wanted state was not reached before the deadline; it may yet be reached."""


class MachinesFailed(FinalError):
    """Some machines did not become nodes; everything else was done."""


class CredentialsMissing(BadRequest):
    """The cluster's machines exist but its saved credentials do not."""


class OtherRun(BadRequest):
    """Another run is still changing the same cluster."""


class ClaimLost(FinalError):
    """This run could not renew its claim of the cluster, and another one may have it now."""


class ForeignInside(BadRequest):
    """Resources that are not the cluster's own use parts of it, which cannot be deleted."""


class DriftFound(FinalError):
    """A cluster differs from its stored description."""


class StillBroken(FinalError):
    """Machines are broken and were not replaced."""


class QuorumAtRisk(FinalError):
    """A step would leave etcd without most of its members, so that nothing could be read."""


class LeftoversFound(FinalError):
    """Resources exist that belong to no cluster."""


class HostKeyMismatch(FinalError):
    """A machine answers with another host key than the pinned one; never retried."""


class CommandFailed(FinalError):
    """A command on a machine ended with a non-zero exit code.

    Attributes:
        exit_code: as the machine reported it.
    """

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ApiRejected(FinalError):
    """The Kubernetes API refused a request.

    Attributes:
        status: the HTTP status.
        reason: the reason in Kubernetes' terms, such as `Conflict` or `Forbidden`.
    """

    def __init__(self, message: str, *, status: int, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
