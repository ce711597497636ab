"""Services and claims whose controllers clean up, or do not."""

from dataclasses import dataclass, field

from domain.cloud.addons import Claim, Requests, Service
from domain.cluster.addons import CLEANING, end_requests
from domain.kernel.errors import TemporaryError
from tests.domain.clocks import JumpingClock

WEB = Service("default", "web", "0f3c2a11-7d1a")
UNUSED = Claim("default", "old", "vol-1")
USED = Claim("default", "data", "vol-2", is_attached=True)
RETAINED = Claim("default", "books", "vol-3", is_retained=True)


@dataclass
class Api:
    """An API server whose Services end some looks after their deletion; None: never."""

    looks: int | None = 0
    deleted: list[str] = field(default_factory=list)

    def list_balanced_services(self) -> list[Service]:
        if self.looks is None:
            return [WEB]
        self.looks -= 1
        return [WEB] if self.looks >= 0 else []

    def list_claims(self) -> list[Claim]:
        return [USED, RETAINED]

    def delete(self, manifest_kind: str, name: str, namespace: str = "") -> bool:
        self.deleted.append(f"{manifest_kind} {namespace}/{name}")
        return True


ALL = Requests((WEB,), (UNUSED, USED, RETAINED))


def test_services_and_unused_claims_are_deleted_and_their_end_is_waited_for() -> None:
    api, clock = Api(looks=3), JumpingClock()
    done = end_requests(api, ALL, clock)
    assert api.deleted == ["Service default/web", "PersistentVolumeClaim default/old"]
    assert (done.did, done.failed) == ("ended default/web, default/old", False)


def test_a_controller_that_does_not_run_is_not_waited_for_for_ever() -> None:
    clock = JumpingClock()
    done = end_requests(Api(looks=None), ALL, clock)
    assert done.failed
    assert "default/web, default/old still exist after 90 s; does their controller run?" in done.did
    assert clock.monotonic() < 2 * CLEANING.timeout


def test_an_api_that_goes_away_ends_nothing() -> None:
    class Gone(Api):
        def delete(self, manifest_kind: str, name: str, namespace: str = "") -> bool:
            raise TemporaryError("the API server does not answer")

    assert end_requests(Gone(), ALL, JumpingClock()).failed
