"""Values of another type are refused by the path of their key, wherever they stand."""

import copy
from collections.abc import Iterator
from datetime import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.errors import InvalidSpec
from domain.spec.cluster import changed, parse_spec
from domain.spec.documents import read_yaml
from domain.spec.presets import UnreadPolicy, parse_policy
from domain.spec.scaling import ScalingPolicy
from tests.domain.spec.full import FULL

Path = tuple[str | int, ...]

SAMPLES: tuple[Any, ...] = (True, False, 0, 1, 7, 1.5, "", "7", "true", [], ["7"], {}, {"a": 1})


def leaves(document: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    match document:
        case dict():
            for key, value in document.items():
                yield from leaves(value, (*path, key))
        case list():
            yield path, document
            for number, value in enumerate(document):
                yield from leaves(value, (*path, number))
        case _:
            yield path, document


LEAVES = dict(leaves(FULL))


def is_of_another_type(path: Path, old: Any, new: Any) -> bool:
    if path[0] == "prices" and path[-1] != "confirmed":  # an amount, as number or as text
        return isinstance(new, (bool, list, dict))
    if path[-3:] == ("scaling", "repair", "mode") and new is False:
        return False  # `off` without quotes
    match old:
        case bool() | str() | list():
            # One text is taken for a list of one text.
            return not isinstance(new, (list, str) if isinstance(old, list) else type(old))
        case float():
            return isinstance(new, bool) or not isinstance(new, (int, float))
        case _:
            return isinstance(new, bool) or not isinstance(new, int)


@given(path=st.sampled_from(sorted(LEAVES, key=str)), value=st.sampled_from(SAMPLES))
def test_a_value_of_another_type_is_refused_by_its_path(path: Path, value: Any) -> None:
    old = LEAVES[path]
    if not is_of_another_type(path, old, value):
        return
    document = copy.deepcopy(FULL)
    parent: Any = document
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    with pytest.raises(InvalidSpec) as caught:
        parse_spec(document)
    sentence = str(caught.value)
    assert sentence.startswith(".".join(map(str, path)))
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("written", "meant"),
    [("8:00", time(8)), ("08:00", time(8)), ("20:00", time(20)), ("23:59:59", time(23, 59, 59))],
)
def test_a_time_of_day_means_what_is_written_with_and_without_quotes(
    written: str, meant: time
) -> None:
    for spelling in (written, f'"{written}"'):
        document = read_yaml(
            f"schedule:\n- {{start: {spelling}, end: '21:30', minimum: 1}}", "the policy"
        )
        assert parse_policy(document).schedule[0].start == meant


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(1200, "1200 is not a time; write it in quotes", id="what YAML 1.1 makes"),
        pytest.param("1200", "is not a time", id="digits"),
        pytest.param("24:00", "midnight is 00:00", id="beyond"),
        pytest.param("08:60", "not between 00:00 and 23:59:59", id="minutes"),
        pytest.param("08:00Z", "holds a time zone", id="utc"),
        pytest.param("08:00+08:00", "write the zone as `time_zone`", id="offset"),
        pytest.param("２０:00", "is not a time", id="other digits"),
        pytest.param(None, "None is not a time", id="nothing"),
    ],
)
def test_another_time_of_day_is_refused_by_name(value: object, words: str) -> None:
    window = {"start": value, "end": "21:30", "minimum": 1}
    with pytest.raises(InvalidSpec, match=r"^schedule\.0\.start: ") as caught:
        parse_policy({"schedule": [window]})
    assert words in str(caught.value)


def test_one_text_is_a_list_of_one() -> None:
    policy = parse_policy({"exempt": "i-1", "instance_types": "s1.large.r2"})
    assert (policy.exempt, policy.instance_types) == (("i-1",), ("s1.large.r2",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("a: 1\nb:\n  c: 1\n  c: 2\n", 'duplicate key "c" in line 4', id="key twice"),
        pytest.param("a: [", "is not valid YAML: ", id="no YAML"),
        pytest.param("- 1", "must hold keys and values, not a list", id="a list"),
        pytest.param("a: !!python/object:os.system {}", "is not valid YAML", id="an object"),
    ],
)
def test_a_document_that_cannot_be_read_is_refused_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(InvalidSpec, match=r"^the file x ") as caught:
        read_yaml(text, "the file x")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_true_and_false_switch() -> None:
    assert parse_policy(read_yaml("pending_pods: false", "x")).pending_pods is False
    for other in ("no", "off", "0", "'false'"):
        with pytest.raises(InvalidSpec, match=r"pending_pods: .* write true or false"):
            parse_policy(read_yaml(f"pending_pods: {other}", "x"))


def test_a_price_is_exact_as_text_and_as_number() -> None:
    for price in ("0.25", 0.25):
        assert parse_spec({"prices": {"router": price}}).prices.router == Decimal("0.25")


def test_an_invalid_stored_policy_is_kept_as_it_is_and_stops_nothing_else() -> None:
    stored = {**FULL, "scaling": {"rules": [{"comparator": "~", "threshold": 1, "step": 1}]}}
    spec = parse_spec(stored, stored=True)
    assert isinstance(spec.scaling, UnreadPolicy)
    assert spec.scaling.reason.startswith("rules.0.comparator: ")
    resized = spec.with_count("k8s-node", 3)
    assert resized.model_dump(mode="json")["scaling"] == stored["scaling"]
    with pytest.raises(InvalidSpec, match=r"^scaling\.maximum: 'x'"):
        changed(resized, {"scaling": {"preset": "pending", "maximum": "x"}})
    assert isinstance(changed(resized, {"scaling": {"preset": "pending"}}).scaling, ScalingPolicy)
    with pytest.raises(InvalidSpec, match=r"^scaling\.rules\.0\.comparator"):
        parse_spec(stored)
