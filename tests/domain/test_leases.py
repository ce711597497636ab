"""One holder at a time, and the next one as soon as the last gives no sign of life."""

from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from domain.cluster_api import ClusterApi, Manifest
from domain.leases import VALID, Claim, give_lease_back, take_lease

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


def test_a_free_lease_is_taken_and_renewed() -> None:
    api = make_api(OneLease())
    assert take_lease(api, OURS, NOON) == ""
    assert take_lease(api, OURS, NOON + VALID / 3) == ""
    assert take_lease(api, THEIRS, NOON + VALID) == "ours"


def test_a_holder_that_gives_no_sign_of_life_has_lost_it() -> None:
    api = make_api(OneLease())
    take_lease(api, THEIRS, NOON)
    assert take_lease(api, OURS, NOON + VALID - timedelta(seconds=1)) == "theirs"
    assert take_lease(api, OURS, NOON + VALID) == ""
    assert take_lease(api, THEIRS, NOON + VALID) == "ours"


def test_a_lease_given_back_is_free_at_once() -> None:
    api = make_api(OneLease())
    take_lease(api, THEIRS, NOON)
    give_lease_back(api, OURS)
    assert take_lease(api, OURS, NOON) == "theirs"
    give_lease_back(api, THEIRS)
    assert take_lease(api, OURS, NOON) == ""


def test_of_two_that_read_the_same_lease_one_gets_it() -> None:
    class Racing(OneLease):
        """Somebody else takes the lease right after we have read that it is free."""

        def read(
            self, manifest_kind: str, name: str, namespace: str = ""
        ) -> Mapping[str, Any] | None:
            found = super().read(manifest_kind, name, namespace)
            self.read = super().read  # type: ignore[method-assign]
            take_lease(make_api(self), THEIRS, NOON)
            return found

    for server in (Racing(), Racing()):
        assert take_lease(make_api(server), OURS, NOON) == "somebody else"
        assert take_lease(make_api(server), OURS, NOON) == "theirs"
