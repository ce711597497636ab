"""Which changes an existing cluster accepts, and which need a new one."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from domain.cloud.changes import FIXED, FREE, refuse_changes
from domain.kernel.errors import InvalidSpec
from domain.spec.cluster import ClusterSpec, changed
from tests.domain.makers import make_view

SPEC = ClusterSpec()
VIEW = make_view(SPEC)
RUNNING = frozenset({"v1.36.4"})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param({"kubernetes": {"version": "1.36.5"}}, "kubernetes.version is 1.36.4", id="v"),
        pytest.param({"kubernetes": {"pods_per_node": 60}}, "pods_per_node is 40", id="pods"),
        pytest.param({"network": {"pod_cidr": "10.100.0.0/16"}}, "pod_cidr is 10.244", id="pods'"),
        pytest.param({"network": {"service_cidr": "10.97.0.0/16"}}, "service_cidr is", id="svc"),
        pytest.param({"network": {"first_vxnet": "192.168.7.0/24"}}, "first_vxnet is", id="vxnet"),
        pytest.param({"nodes": {"maximum": 256}}, "nodes.maximum can be 255 at most", id="mask"),
        pytest.param({"address": {"bandwidth_mbps": 20}}, "in QingCloud's console", id="Mbps"),
        pytest.param({"address": {"billing": "bandwidth"}}, "in QingCloud's console", id="bill"),
    ],
)
def test_a_change_of_a_fixed_value_is_refused_in_one_sentence(
    change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidSpec, match=sentence) as caught:
        refuse_changes(SPEC, changed(SPEC, change), VIEW, RUNNING)
    assert "\n" not in str(caught.value)


def test_another_vpc_is_refused_with_every_value_that_depends_on_it() -> None:
    wanted = {"vpc_cidr": "172.16.0.0/16", "first_vxnet": "172.16.1.0/24"}
    with pytest.raises(InvalidSpec, match=r"vpc_cidr is .*, network\.first_vxnet is "):
        refuse_changes(SPEC, changed(SPEC, {"network": wanted}), VIEW, RUNNING)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"nodes": {"count": 5, "minimum": 1, "maximum": 255}},
        {"nodes": {"template": {"instance_type": "s1.xlarge.r2"}}},
        {"access": {"api_port": 9443, "allowed_cidrs": ["203.0.113.0/24"]}},
        {"kubernetes": {"package_mirror": "tuna", "image_repository": "registry.k8s.io"}},
        {"scaling": {"preset": "pending"}, "prices": {"confirmed": True}},
    ],
)
def test_a_change_that_takes_effect_is_accepted(change: dict[str, Any]) -> None:
    refuse_changes(SPEC, changed(SPEC, change), VIEW, RUNNING)


def test_a_version_to_which_all_nodes_were_upgraded_by_hand_is_accepted() -> None:
    wanted = changed(SPEC, {"kubernetes": {"version": "1.36.5"}})
    refuse_changes(SPEC, wanted, VIEW, frozenset({"v1.36.5"}))
    with pytest.raises(InvalidSpec, match=r"its nodes run 1\.36\.4 and 1\.36\.5"):
        refuse_changes(SPEC, wanted, VIEW, frozenset({"v1.36.4", "v1.36.5"}))


def test_an_address_that_was_changed_in_the_console_is_accepted() -> None:
    before = changed(SPEC, {"address": {"bandwidth_mbps": 5}})  # the view's has 10
    refuse_changes(before, SPEC, VIEW, RUNNING)


def test_every_field_of_a_description_is_known_to_be_fixed_or_free() -> None:
    leaves = set(_leaves(ClusterSpec))
    known = {name for name in leaves if name in FIXED or name.startswith(FREE)}
    assert leaves == known
    assert leaves >= FIXED.keys()


def _leaves(part: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in part.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _leaves(kind, f"{prefix}{name}.")
        else:
            yield prefix + name
