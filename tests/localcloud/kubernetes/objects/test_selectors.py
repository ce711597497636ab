"""Label and field selectors, as pure functions."""

import pytest

from localcloud.kubernetes.objects.label_parser import BadSelector
from localcloud.kubernetes.objects.selectors import (
    expression_test,
    field_test,
    format_label_selector,
    label_selector_test,
    parse_field_selector,
    parse_label_selector,
)

LABELS = {"app": "web", "tier": "front", "example.com/team": "a", "generation": "6"}


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
        ("generation>5,generation<7", True),
        ("generation>6", False),
        ("app>1", False),
        ("missing in ()", False),
    ],
)
def test_label_selectors(selector, selected):
    assert parse_label_selector(selector)(LABELS) is selected


@pytest.mark.parametrize(
    ("selector", "why"),
    [
        ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=(", "unable to parse requirement: found '(', expected: identifier"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("a=b,,c", "found ',', expected: identifier after ','"),
        ("a notin (x", "unable to parse requirement: found '', expected: ',' or ')'"),
        (
            "a>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' "
            "operators, the value must be an integer",
        ),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
        ("(", "found '(', expected: !, identifier, or 'end of string'"),
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a,", "found '', expected: identifier after ','"),
    ],
)
def test_unreadable_label_selectors_are_refused(selector, why):
    with pytest.raises(BadSelector) as caught:
        parse_label_selector(selector)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("selector", "why"),
    [
        ("UP*", 'requirement: <nil>: Invalid value: "UP*": name part must consist of'),
        ("x/y/z=1", 'requirement: <nil>: Invalid value: "x/y/z": a valid label key must consist'),
        ("a in (_x,A,z)", 'requirement: values[1][a]: Invalid value: "_x": a valid label must be'),
        ("a=_x", 'requirement: values[0][a]: Invalid value: "_x": a valid label must be an empty'),
    ],
)
def test_label_selectors_hold_only_labels(selector, why):
    with pytest.raises(BadSelector) as caught:
        parse_label_selector(selector)
    assert why in str(caught.value)


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


@pytest.mark.parametrize(
    ("label", "above", "below"),
    [("6", True, False), ("-6", False, True), ("5", False, False), ("5.5", False, False),
     ("1e1", False, False), ("inf", False, False)],
)  # fmt: skip
def test_only_labels_that_are_whole_numbers_are_above_or_below_one(label, above, below):
    for operator, expected in (("Gt", above), ("Lt", below)):
        holds = expression_test({"key": "size", "operator": operator, "values": ["5"]})
        assert holds({"size": label}) is expected
        assert not holds({})


def test_label_selectors_compare_no_numbers():
    expression = {"key": "size", "operator": "Gt", "values": ["5"]}
    with pytest.raises(BadSelector):
        label_selector_test({"matchExpressions": [expression]})


def test_field_selectors_read_absent_fields_as_zero_values():
    pod = {"metadata": {"name": "p"}, "spec": {}, "status": {"phase": "Running"}}
    assert field_test(parse_field_selector("spec.nodeName=,status.phase!=Failed"))(pod)
    assert not field_test(parse_field_selector("metadata.name=q"))(pod)
    assert field_test(parse_field_selector("spec.unschedulable=false"))(pod)
    with pytest.raises(BadSelector):
        parse_field_selector("spec.nodeName")
