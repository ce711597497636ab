"""Rules of the security groups: which are added and which are deleted."""

from domain.cloud.firewall import (
    describe_rule,
    firewall_rules,
    is_our_rule,
    machine_rules,
    rules_to_add,
    rules_to_delete,
)
from domain.cloud.records import RuleSpec
from domain.spec.cluster import ClusterSpec, changed
from tests.domain.makers import make_rules

SPEC = changed(ClusterSpec(), {"access": {"allowed_cidrs": ["203.0.113.0/24", "198.51.100.7/32"]}})


def test_only_the_allowed_sources_reach_api_ui_and_ssh() -> None:
    outside = [rule for rule in firewall_rules(SPEC) if rule.name != "nodes"]
    assert {rule.first_port for rule in outside} == {8080, 8443, 10022}
    assert {rule.source for rule in outside} == {"203.0.113.0/24", "198.51.100.7/32"}
    assert len(outside) == 6


def test_without_sources_nothing_is_open_to_the_outside() -> None:
    closed = firewall_rules(ClusterSpec()) + machine_rules(ClusterSpec())
    assert {rule.source for rule in closed} == {"192.168.0.0/16"}


def test_rules_that_mean_the_same_are_neither_added_nor_deleted() -> None:
    wanted = (RuleSpec("api", "tcp", 8080, 8080, "0.0.0.0/0"),)
    seen = make_rules("sg-a", (RuleSpec("somebody's", "tcp", 8080, None, ""),))
    assert rules_to_add(wanted, seen) == ()
    assert rules_to_delete(wanted, seen) == ()


def test_a_rule_of_ours_for_a_source_that_is_no_longer_allowed_is_deleted() -> None:
    hole = RuleSpec("ssh-3", "tcp", 10022, 10022, "")
    seen = make_rules("sg-a", (*firewall_rules(SPEC), hole))
    assert [rule.spec for rule in rules_to_delete(firewall_rules(SPEC), seen)] == [hole]


def test_a_rule_made_by_hand_is_never_deleted() -> None:
    seen = make_rules("sg-a", (*firewall_rules(SPEC), RuleSpec("backup", "tcp", 873, 873, "")))
    assert rules_to_delete(firewall_rules(SPEC), seen) == ()


def test_all_our_rules_are_known_as_ours() -> None:
    assert all(map(is_our_rule, (*firewall_rules(SPEC), *machine_rules(SPEC))))


def test_a_rule_is_described_with_its_ports_and_its_source() -> None:
    assert describe_rule(RuleSpec("backup", "tcp", 873, 873, "10.0.0.0/8")) == (
        "backup: tcp 873 from 10.0.0.0/8"
    )
    assert describe_rule(RuleSpec("", "udp", 60000, 60010, "")) == "udp 60000-60010 from anywhere"
    assert describe_rule(RuleSpec("", "icmp", None, None, "")) == "icmp from anywhere"
