"""With any policy and machines, a group settles under a constant load."""

from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.autoscaling.decide.evaluation import decide
from domain.autoscaling.decision import Hold, Reason, ScaleOut
from domain.autoscaling.memory.memory import Memory
from domain.autoscaling.replay.loads import HOUR, Load, burst, constant
from domain.autoscaling.replay.simulation import Replay, Scenario, replay
from domain.autoscaling.replay.world import World
from domain.autoscaling.see.snapshot import Resources, SeenPod
from domain.spec.conditions import Comparator
from domain.spec.presets import PRESETS
from domain.spec.scaling import LowUse, MetricRule, RuleStatistic, ScalingPolicy
from tests.domain.autoscaling.scaling_makers import SIZE


@pytest.mark.parametrize("boot_minutes", [1, 3, 5, 10])
@pytest.mark.parametrize(
    ("preset", "additions", "size"),
    [("article-text", 2, 5), ("article-screen", 2, 5), ("pending", 1, 4)],
)
def test_presets_settle_with_150_pods(
    preset: str, additions: int, size: int, boot_minutes: int
) -> None:
    result = replay(Scenario(PRESETS[preset], constant(150), boot_minutes=boot_minutes))
    assert (result.additions, result.removals) == (additions, 0)
    assert (result.settles, result.resting_size) == (True, size)
    assert result.moments[-1].waiting == 0


@pytest.mark.parametrize("preset", ["article-text", "article-screen"])
def test_article_without_guards_never_settles(preset: str) -> None:
    result = replay(Scenario(PRESETS[preset], constant(150), guarded=False))
    assert len(result.changes) >= 48
    assert not result.settles


@pytest.mark.parametrize(("preset", "least"), [("article-text", 1), ("article-screen", 3)])
def test_machines_are_removed_one_by_one_after_a_burst(preset: str, least: int) -> None:
    result = replay(Scenario(PRESETS[preset], burst(150), hours=6))
    down = [change for change in result.changes if not change.adds]
    assert all(change.target == change.size - 1 for change in down)
    apart = [b.seconds - a.seconds for a, b in pairwise(down)]
    assert min(apart) >= PRESETS[preset].cooldown_in_seconds
    assert (result.settles, result.resting_size) == (True, least)
    assert result.moments[-1].waiting == 0


@pytest.mark.parametrize("preset", list(PRESETS))
def test_after_the_articles_burst_thirty_evaluations_beyond_all_cooldowns_do_nothing(
    preset: str,
) -> None:
    """Each evaluation is free to act: intervals and cooldowns have ended."""
    policy = PRESETS[preset]
    apart = max(policy.cooldown_in_seconds, policy.cooldown_out_seconds, policy.interval_seconds)
    world = World(policy)
    world.launch(3, booted=True)
    memory, acts = Memory(), []
    for number in range(40):
        for minute in range(apart // 60):
            world.advance(number * apart + minute * 60, 150)
            world.sample()
        decision, memory = decide(world.snapshot(0, 10), policy, memory)
        acts.append(not isinstance(decision, Hold))
        assert decision.basis.reason not in (
            Reason.NOT_DUE,
            Reason.COOLING_OUT,
            Reason.COOLING_IN if number else None,
        )
        if isinstance(decision, ScaleOut):
            world.launch(decision.add)
    assert any(acts)
    assert acts[10:] == [False] * 30


RULES = st.builds(
    MetricRule,
    statistic=st.sampled_from(get_args(RuleStatistic)),
    window_seconds=st.sampled_from([60, 180, 600]),
    comparator=st.sampled_from(Comparator),
    threshold=st.integers(0, 42),
    step=st.sampled_from([-3, -1, 1, 1, 2]),
)

POLICIES = st.builds(
    ScalingPolicy,
    minimum=st.integers(0, 3),
    maximum=st.integers(4, 9),
    pods_per_node=st.sampled_from([10, 40]),
    rules=st.lists(RULES, max_size=4).map(tuple),
    low_use=st.none() | st.builds(LowUse, share=st.sampled_from([0.3, 0.5, 0.9])),
    interval_seconds=st.sampled_from([60, 120]),
    cooldown_out_seconds=st.sampled_from([0, 60, 300]),
    cooldown_in_seconds=st.sampled_from([0, 120, 300]),
)

KINDS = st.lists(
    st.builds(
        Resources,
        cpu_millis=st.sampled_from([0, 100, 700, 1100, 3000]),
        memory_bytes=st.sampled_from([0, 2**28, 3 * 2**30]),
    ),
    min_size=1,
    max_size=3,
)


def find_stranded(result: Replay, kinds: list[Resources]) -> int:
    """Pods pending at the end that would fit a new machine within the bounds."""
    if result.moments[-1].machines >= result.scenario.maximum:
        return 0
    giants = [k for k in kinds if k.cpu_millis > SIZE.cpu_millis]
    return 0 if giants else result.moments[-1].waiting


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(
    policy=POLICIES,
    pods=st.integers(0, 250),
    kinds=KINDS,
    boot_minutes=st.sampled_from([0, 1, 4, 12]),
    machines=st.integers(0, 10),
)
@example(policy=PRESETS["article-text"], pods=150, kinds=[Resources()], boot_minutes=5, machines=3)
@example(policy=PRESETS["article-screen"], pods=60, kinds=[Resources()], boot_minutes=1, machines=9)
def test_constant_load_settles_within_bounds_and_with_room_for_all(
    policy: ScalingPolicy, pods: int, kinds: list[Resources], boot_minutes: int, machines: int
) -> None:
    scenario = Scenario(
        policy,
        constant(pods),
        hours=4,
        boot_minutes=boot_minutes,
        maximum=policy.maximum or 10,
        machines=machines,
        kinds=[SeenPod("default", f"kind-{n}", requests=k) for n, k in enumerate(kinds)],
        capacity=SIZE,
    )
    result = replay(scenario)
    assert result.settles
    late = [change for change in result.changes if change.seconds > 3 * HOUR]
    assert late == []
    for change in result.changes:
        if change.adds:
            assert change.target <= scenario.maximum
        else:
            assert change.target >= (policy.minimum or 0)
    assert result.moments[-1].machines >= (policy.minimum or 0)
    assert find_stranded(result, kinds) == 0


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(first=st.integers(0, 200), then=st.integers(0, 200), boot_minutes=st.sampled_from([1, 5]))
@pytest.mark.parametrize("preset", list(PRESETS))
def test_load_that_changes_once_settles_too(
    preset: str, first: int, then: int, boot_minutes: int
) -> None:
    load = Load("step", lambda seconds: first if seconds < 2 * HOUR else then)
    result = replay(Scenario(PRESETS[preset], load, hours=7, boot_minutes=boot_minutes))
    assert result.settles
    assert all(change.seconds < 6 * HOUR for change in result.changes)
