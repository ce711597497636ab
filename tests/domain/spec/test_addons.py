"""Add-ons in a description: off unless named, pinned, removed by naming nothing."""

import pytest

from domain.cloud.firewall import machine_rules
from domain.kernel.errors import InvalidSpec
from domain.spec.cluster import changed, parse_spec
from domain.spec.given import GivenSpec


def test_none_is_wanted_unless_it_is_named() -> None:
    assert list(parse_spec({}).addons.wanted) == []
    assert len(list(parse_spec({"addons": {"csi": {}, "metrics_server": {}}}).addons.wanted)) == 2


@pytest.mark.parametrize("image", ["nginx", "docker.io/nginx", "Docker.io/x:1", "a/b:1 c", "/x:1"])
def test_an_image_without_a_version_or_a_registry_is_refused(image: str) -> None:
    with pytest.raises(InvalidSpec, match=r"addons\.metrics_server\.image.*such as registry"):
        parse_spec({"addons": {"metrics_server": {"image": image}}})


def test_nothing_behind_a_name_removes_an_add_on_also_through_a_run_s_parameters() -> None:
    stored = parse_spec({"addons": {"csi": {"volume_type": 5}, "metrics_server": {}}})
    wanted = changed(stored, {"addons": {"csi": None}})
    assert wanted.addons.csi is None
    assert wanted.addons.metrics_server
    given = GivenSpec.of(wanted, stored).given
    assert changed(stored, given).addons.csi is None
    kept = GivenSpec(name="demo").given  # a form in which nobody has filled in anything
    assert changed(stored, kept).addons == stored.addons


def test_node_ports_are_open_to_the_balancers_while_the_controller_is_wanted() -> None:
    names = [rule.name for rule in machine_rules(parse_spec({}))]
    assert not [name for name in names if name.startswith("services-")]
    rules = machine_rules(parse_spec({"addons": {"cloud_controller": {"account": "sub"}}}))
    opened = [rule for rule in rules if rule.name.startswith("services-")]
    assert {(rule.protocol, rule.first_port, rule.last_port) for rule in opened} == {
        ("tcp", 30000, 32767),
        ("udp", 30000, 32767),
    }
    assert {rule.source for rule in opened} == {"198.19.0.0/16"}
