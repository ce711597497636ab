"""Life-cycle hooks as users write them."""

from typing import Any

import pytest

from domain.kernel.errors import InvalidSpec
from domain.spec.cluster import parse_spec
from domain.spec.given import GivenSpec

HOOK = {"name": "register", "when": "added", "script": "date"}


def test_a_hook_has_defaults() -> None:
    [hook] = parse_spec({"hooks": [HOOK]}).hooks
    assert (hook.group, hook.runs_on, hook.timeout, hook.on_failure) == (
        "k8s-node",
        "k8s-master",
        60,
        "stop",
    )


@pytest.mark.parametrize(
    ("hooks", "words"),
    [
        pytest.param([HOOK, HOOK], "two hooks are named register", id="twice"),
        pytest.param([HOOK | {"group": "gpu"}], "group 'gpu', which does not exist", id="group"),
        pytest.param([HOOK | {"runs_on": "gpu"}], "which does not exist", id="runs on"),
        pytest.param([HOOK | {"script": "a\r\nb"}], "carriage return in line 1", id="windows"),
        pytest.param([HOOK | {"when": "born"}], "added", id="moment"),
        pytest.param([HOOK | {"on_failure": True}], "go on", id="policy"),
        pytest.param([HOOK | {"timeout": "60"}], "timeout", id="type"),
        pytest.param([{"name": "register", "script": "date"}], "when", id="missing"),
    ],
)
def test_a_wrong_hook_is_refused(hooks: list[Any], words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        parse_spec({"hooks": hooks})


def test_hooks_are_taken_away_by_an_empty_list() -> None:
    stored, wanted = parse_spec({"hooks": [HOOK]}), parse_spec({"hooks": []})
    assert GivenSpec.of(wanted, stored).given["hooks"] == []
