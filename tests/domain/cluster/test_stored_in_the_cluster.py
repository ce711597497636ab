"""Objects that a run stores in a cluster: its description, and join tokens."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.cluster.join_tokens import publish_token
from domain.cluster.stored_spec import read_spec, spec_manifest
from domain.kernel.errors import InvalidSpec, WaitTimedOut
from domain.secrets.pki import BootstrapToken
from domain.spec.cluster import parse_spec
from tests.domain.clocks import JumpingClock


class Remembers:
    """The part of a cluster's API that reads the ConfigMap."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def read(self, kind: str, name: str, namespace: str) -> Any:
        assert (kind, name, namespace) == ("ConfigMap", "cluster-spec", "kube-system")
        return self.found


def test_a_stored_description_is_read_back() -> None:
    spec = parse_spec({"nodes": {"count": 5}, "scaling": {"preset": "pending"}})
    assert read_spec(Remembers(spec_manifest(spec))) == spec  # type: ignore[arg-type]
    assert read_spec(Remembers(None)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [{"spec.json": "{"}, {"spec.json": '{"nodes": {"count": "many"}}'}, {}],
    ids=["no JSON", "wrong value", "key gone"],
)
def test_an_invalid_description_is_not_treated_as_absent(data: dict[str, str]) -> None:
    with pytest.raises(InvalidSpec, match="correct it with: kubectl -n kube-system edit configmap"):
        read_spec(Remembers({"data": data}))  # type: ignore[arg-type]


class SignsLater:
    """The part of a cluster's API that takes a join token; a controller signs it some looks later.

    kubeadm looks for the signature every five seconds, so a node that comes too early loses those.
    """

    def __init__(self, *infos: dict[str, Any] | None) -> None:
        self.applied: list[Any] = []
        self._infos: Iterator[dict[str, Any] | None] = iter(infos)
        self._last: dict[str, Any] | None = None

    def apply(self, manifest: Any) -> bool:
        self.applied.append(manifest)
        return True

    def read(self, kind: str, name: str, namespace: str) -> Any:
        assert self.applied, "the signature can only come after the token"
        assert (kind, name, namespace) == ("ConfigMap", "cluster-info", "kube-public")
        self._last = next(self._infos, self._last)
        return self._last


TOKEN = BootstrapToken("abcdef.0123456789abcdef")
OTHER = {"data": {"kubeconfig": "…", "jws-kubeconfig-fedcba": "…"}}
SIGNED = {"data": {**OTHER["data"], "jws-kubeconfig-abcdef": "…"}}


def test_a_join_token_is_published_once_nodes_can_trust_the_cluster_by_it() -> None:
    api, clock = SignsLater(None, {}, OTHER, SIGNED), JumpingClock()
    said = publish_token(api, TOKEN, datetime(2026, 1, 1, tzinfo=UTC), clock)  # type: ignore[arg-type]
    assert len(api.applied) == 1
    assert len(clock.slept) == 3
    assert said.did == "abcdef accepted until 2026-01-01 00:00 UTC"


def test_a_join_token_without_a_signature_fails_before_a_node_waits_for_it() -> None:
    api, clock = SignsLater(OTHER), JumpingClock()
    with pytest.raises(WaitTimedOut, match="signature of join token abcdef in kube-public/clus"):
        publish_token(api, TOKEN, datetime(2026, 1, 1, tzinfo=UTC), clock)  # type: ignore[arg-type]
