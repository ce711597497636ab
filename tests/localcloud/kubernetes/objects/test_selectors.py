"""Label and field selectors, as pure functions."""

import pytest

from localcloud.kubernetes.objects.selectors import (
    BadSelector,
    field_test,
    format_label_selector,
    label_selector_test,
    parse_field_selector,
    parse_label_selector,
)

LABELS = {"app": "web", "tier": "front", "example.com/team": "a"}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier=front", True),
        ("app=db", False),
        ("app!=db", True),
        ("missing!=x", True),
        ("app in (db, web),tier", True),
        ("app notin (db,web)", False),
        ("missing notin (x)", True),
        ("!app", False),
        ("!missing", True),
        ("example.com/team=a", True),
        ("app=", False),
    ],
)
def test_label_selectors(selector, selected):
    assert parse_label_selector(selector)(LABELS) is selected


@pytest.mark.parametrize("selector", ["app in web", "a=b=c", ",", "a b"])
def test_unreadable_label_selectors_are_refused(selector):
    with pytest.raises(BadSelector):
        parse_label_selector(selector)


def test_label_selector_objects():
    selector = {
        "matchLabels": {"app": "web"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["front", "back"]},
            {"key": "old", "operator": "DoesNotExist"},
        ],
    }
    assert label_selector_test(selector)(LABELS)
    assert not label_selector_test(selector)({**LABELS, "old": "1"})
    assert label_selector_test({})(LABELS)
    assert not label_selector_test(None)(LABELS)
    assert format_label_selector(selector) == "app=web,tier in (front,back),!old"


def test_field_selectors_read_absent_fields_as_zero_values():
    pod = {"metadata": {"name": "p"}, "spec": {}, "status": {"phase": "Running"}}
    assert field_test(parse_field_selector("spec.nodeName=,status.phase!=Failed"))(pod)
    assert not field_test(parse_field_selector("metadata.name=q"))(pod)
    assert field_test(parse_field_selector("spec.unschedulable=false"))(pod)
    with pytest.raises(BadSelector):
        parse_field_selector("spec.nodeName")
