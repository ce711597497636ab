"""One holder at a time, and the next one as soon as the lease expires."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, cast

import pytest

from domain.cluster.api import ClusterApi, Manifest
from domain.cluster.leases import VALID, Claim, Held, acquire_lease, release_lease, wait_for_lease
from domain.kernel.errors import TemporaryError
from tests.domain.clocks import JumpingClock

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
OURS, THEIRS = Claim("autoscaler-k8s-node", "ours"), Claim("autoscaler-k8s-node", "theirs")


class OneLease:
    """An API server with room for one object, which refuses changes of an older version."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] | None = None
        self.version = 0

    def read(self, manifest_kind: str, name: str, namespace: str = "") -> Mapping[str, Any] | None:
        return deepcopy(self.kept)

    def create(self, manifest: Manifest) -> bool:
        if self.kept is not None:
            return False
        self._keep(manifest)
        return True

    def replace(self, manifest: Manifest) -> bool:
        if manifest["metadata"]["resourceVersion"] != str(self.version):
            return False
        self._keep(manifest)
        return True

    def _keep(self, manifest: Manifest) -> None:
        self.version += 1
        self.kept = deepcopy(dict(manifest))
        self.kept["metadata"]["resourceVersion"] = str(self.version)


def make_api(server: OneLease) -> ClusterApi:
    return cast(ClusterApi, server)


def holder(held: Held | None) -> str:
    return held.holder if held else ""


def test_a_free_lease_is_acquired_and_renewed() -> None:
    api = make_api(OneLease())
    assert acquire_lease(api, OURS, NOON) is None
    assert acquire_lease(api, OURS, NOON + VALID / 3) is None
    held = acquire_lease(api, THEIRS, NOON + VALID)
    assert held == Held("autoscaler-k8s-node", "ours", NOON + VALID / 3 + VALID)
    assert held.describe(NOON + VALID) == (
        "ours holds the Lease kube-system/autoscaler-k8s-node for another 20 s, or longer if it "
        "renews it"
    )


def test_a_holder_that_does_not_renew_loses_the_lease() -> None:
    api = make_api(OneLease())
    acquire_lease(api, THEIRS, NOON)
    assert holder(acquire_lease(api, OURS, NOON + VALID - timedelta(seconds=1))) == "theirs"
    assert acquire_lease(api, OURS, NOON + VALID) is None
    assert holder(acquire_lease(api, THEIRS, NOON + VALID)) == "ours"


class Failing(OneLease):
    """Fails twice at each change, before it has acted or afterwards."""

    def __init__(self, *, acts: bool) -> None:
        super().__init__()
        self._acts, self._left = acts, 2

    def create(self, manifest: Manifest) -> bool:
        return self._failing(super().create, manifest)

    def replace(self, manifest: Manifest) -> bool:
        return self._failing(super().replace, manifest)

    def _failing(self, change: Callable[[Manifest], bool], manifest: Manifest) -> bool:
        self._left -= 1
        done = self._acts and change(manifest)
        if self._left >= 0:
            raise TemporaryError("etcd leader changed")
        return done or change(manifest)


@pytest.mark.parametrize("acts", [False, True])
def test_a_lease_is_acquired_although_the_server_fails_twice(acts: bool) -> None:
    server = Failing(acts=acts)
    assert acquire_lease(make_api(server), OURS, NOON, clock=JumpingClock()) is None
    assert holder(acquire_lease(make_api(server), THEIRS, NOON)) == "ours"


def test_a_released_lease_is_free_at_once() -> None:
    api = make_api(OneLease())
    acquire_lease(api, THEIRS, NOON)
    release_lease(api, OURS)
    assert holder(acquire_lease(api, OURS, NOON)) == "theirs"
    release_lease(api, THEIRS)
    assert acquire_lease(api, OURS, NOON) is None


class Waiting(JumpingClock):
    """A clock on which something happens after so many seconds."""

    def __init__(self, seconds: float = inf, act: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self._due, self._act = seconds, act
        self.told = list[Held]()

    def sleep(self, seconds: float, /) -> None:
        super().sleep(seconds)
        if self.monotonic() >= self._due:
            self._due = inf
            self._act()


def test_a_free_lease_needs_no_wait() -> None:
    clock = Waiting()
    assert wait_for_lease(make_api(OneLease()), OURS, NOON, clock.told.append, clock) is None
    assert (clock.told, clock.slept) == ([], [])


def test_an_expired_lease_is_acquired() -> None:
    api, clock = make_api(OneLease()), Waiting()
    acquire_lease(api, THEIRS, NOON)
    later = NOON + VALID / 3
    assert wait_for_lease(api, OURS, later, clock.told.append, clock) is None
    assert clock.monotonic() == pytest.approx(40, abs=1)
    assert clock.told == [Held("autoscaler-k8s-node", "theirs", NOON + VALID)]


def test_a_lease_that_is_released_meanwhile_is_acquired_at_once() -> None:
    api = make_api(OneLease())
    clock = Waiting(5, lambda: release_lease(api, THEIRS))
    acquire_lease(api, THEIRS, NOON)
    assert wait_for_lease(api, OURS, NOON, clock.told.append, clock) is None
    assert clock.monotonic() == pytest.approx(5, abs=1)


def test_a_holder_that_renews_is_not_waited_for() -> None:
    api = make_api(OneLease())
    clock = Waiting(15, lambda: acquire_lease(api, THEIRS, NOON + timedelta(seconds=15)))
    acquire_lease(api, THEIRS, NOON)
    assert holder(wait_for_lease(api, OURS, NOON, clock.told.append, clock)) == "theirs"
    assert clock.monotonic() == pytest.approx(15, abs=1)


def test_of_two_processes_that_read_the_same_lease_one_acquires_it() -> None:
    class Racing(OneLease):
        """Somebody else takes the lease right after we have read that it is free."""

        def read(
            self, manifest_kind: str, name: str, namespace: str = ""
        ) -> Mapping[str, Any] | None:
            found = super().read(manifest_kind, name, namespace)
            self.read = super().read  # type: ignore[method-assign]
            acquire_lease(make_api(self), THEIRS, NOON)
            return found

    for server in (Racing(), Racing()):
        assert holder(acquire_lease(make_api(server), OURS, NOON)) == "another process"
        assert holder(acquire_lease(make_api(server), OURS, NOON)) == "theirs"
