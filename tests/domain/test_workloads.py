"""What a cluster remembers of its own description."""

from typing import Any

import pytest

from domain.errors import InvalidSpec
from domain.spec import parse_spec
from domain.workloads import read_spec, spec_manifest


class Remembers:
    """The part of a cluster's API that reads the ConfigMap."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def read(self, kind: str, name: str, namespace: str) -> Any:
        assert (kind, name, namespace) == ("ConfigMap", "cluster-spec", "kube-system")
        return self.found


def test_what_was_stored_is_read_back() -> None:
    spec = parse_spec({"nodes": {"count": 5}, "scaling": {"preset": "pending"}})
    assert read_spec(Remembers(spec_manifest(spec))) == spec  # type: ignore[arg-type]
    assert read_spec(Remembers(None)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [{"spec.json": "{"}, {"spec.json": '{"nodes": {"count": "many"}}'}, {}],
    ids=["no JSON", "wrong value", "key gone"],
)
def test_a_description_that_is_not_understood_is_no_absent_one(data: dict[str, str]) -> None:
    with pytest.raises(InvalidSpec, match="correct it with: kubectl -n kube-system edit configmap"):
        read_spec(Remembers({"data": data}))  # type: ignore[arg-type]
