"""Which of several groups buys machines for which of the pods that wait."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domain.autoscaling.decide.scene import Scene
from domain.autoscaling.decide.sharing import share_pods
from domain.autoscaling.memory.memory import FailedJoins, Memory
from domain.autoscaling.memory.pods import Purchase, kind_of
from domain.autoscaling.see.placement import Operator, Placement, Requirement, Taint, Toleration
from domain.autoscaling.see.snapshot import Resources, SeenMachine, SeenPod, Template
from domain.spec.presets import PRESETS
from tests.domain.autoscaling.scaling_makers import NOON, SIZE, make_pods, make_snapshot

SSD = Placement(all_of=(Requirement("disk", Operator.IN, ("ssd",)),))
TOLERANT = Placement(tolerations=(Toleration("gpu", "Exists"),))
PLAIN = Template("small", SIZE)
FAST = Template("large", Resources(8000, 16 * 2**30), {"disk": "ssd"})
GPU = Template("gpu", SIZE, taints=(Taint("gpu", "true"),))
PRICES = {"small": Decimal("0.5"), "large": Decimal(2), "gpu": Decimal("0.1")}
PENDING = PRESETS["pending"]


def make_scene(
    template: Template,
    pods: Sequence[SeenPod],
    memory: Memory | None = None,
    booting: int = 0,
    maximum: int = 10,
) -> Scene:
    machines = tuple(
        SeenMachine(f"i-{template.instance_type}{n}", f"{template.instance_type}-{n}", NOON)
        for n in range(booting)
    )
    snapshot = make_snapshot(templates=(template,), pending=tuple(pods), maximum=maximum)
    snapshot = replace(snapshot, machines=machines, nodes=())
    policy = PENDING.model_copy(update={"group": template.instance_type})
    return Scene(snapshot, policy, memory or Memory())


def share(scenes: Mapping[str, Scene]) -> dict[str, int]:
    return {group: len(pods) for group, pods in share_pods(scenes, PRICES.get).items()}


def test_pods_that_only_one_group_holds_are_given_to_it() -> None:
    pods = (*make_pods(5), *make_pods(3, name="x", placement=SSD))
    pods = tuple(replace(pod, name=f"p-{n}") for n, pod in enumerate(pods))
    scenes = {"nodes": make_scene(PLAIN, pods), "fast": make_scene(FAST, pods)}
    assert share(scenes) == {"nodes": 5, "fast": 3}


def test_the_cheaper_group_is_taken_where_both_hold() -> None:
    pods = make_pods(5, placement=TOLERANT)
    scenes = {"nodes": make_scene(PLAIN, pods), "gpu": make_scene(GPU, pods)}
    assert share(scenes) == {"nodes": 0, "gpu": 5}
    pods = make_pods(5)  # these do not tolerate the cheaper group's taint
    scenes = {"nodes": make_scene(PLAIN, pods), "gpu": make_scene(GPU, pods)}
    assert share(scenes) == {"nodes": 5, "gpu": 0}


def test_what_the_cheaper_group_has_no_room_for_goes_to_the_next() -> None:
    pods = make_pods(100, placement=TOLERANT)
    scenes = {"nodes": make_scene(PLAIN, pods), "gpu": make_scene(GPU, pods, maximum=1)}
    assert share(scenes) == {"nodes": 60, "gpu": 40}  # 40 pods a machine


def test_a_group_whose_machines_boot_keeps_the_pods_that_they_will_hold() -> None:
    pods = make_pods(50, placement=TOLERANT)
    scenes = {"nodes": make_scene(PLAIN, pods, booting=1), "gpu": make_scene(GPU, pods)}
    assert share(scenes) == {"nodes": 40, "gpu": 10}


def test_pods_stay_with_the_group_that_has_bought_for_them() -> None:
    pods = make_pods(3, placement=TOLERANT)
    bought = Purchase(NOON, 1, {pods[0].title: kind_of(pods[0])})
    memory = Memory(purchases=(bought,))
    scenes = {"nodes": make_scene(PLAIN, pods, memory), "gpu": make_scene(GPU, pods)}
    assert share(scenes) == {"nodes": 1, "gpu": 2}
    memory = Memory(purchases=(replace(bought, arrived=NOON),))
    scenes = {"nodes": make_scene(PLAIN, pods, memory), "gpu": make_scene(GPU, pods)}
    assert share(scenes) == {"nodes": 3, "gpu": 0}


def test_a_group_whose_machines_do_not_join_leaves_the_pods_to_the_others() -> None:
    pods = make_pods(3, placement=TOLERANT)
    off = FailedJoins(1, NOON, NOON + timedelta(hours=1), "no reply", ("gpu",))
    scenes = {
        "nodes": make_scene(PLAIN, pods),
        "gpu": make_scene(GPU, pods, Memory(failed_joins=off)),
    }
    assert share(scenes) == {"nodes": 3, "gpu": 0}


def test_what_no_group_holds_is_reported_by_the_first() -> None:
    pods = make_pods(2, requests=Resources(cpu_millis=64_000, memory_bytes=0))
    scenes = {"nodes": make_scene(PLAIN, pods), "gpu": make_scene(GPU, pods)}
    assert share(scenes) == {"nodes": 2, "gpu": 0}


PLACEMENTS = st.sampled_from([Placement(), SSD, TOLERANT])
PODS = st.lists(st.tuples(PLACEMENTS, st.integers(0, 9000)), max_size=60)


@given(
    wanted=PODS,
    booting=st.tuples(*[st.integers(0, 2)] * 3),
    most=st.tuples(*[st.integers(1, 3)] * 3),
)
def test_each_pod_is_given_to_exactly_one_group_and_to_one_that_holds_it_if_there_is_one(
    wanted: list[tuple[Placement, int]], booting: tuple[int, ...], most: tuple[int, ...]
) -> None:
    pods = [
        SeenPod("default", f"p-{n}", requests=Resources(cpu, 0), placement=placement)
        for n, (placement, cpu) in enumerate(wanted)
    ]
    templates = {"nodes": PLAIN, "fast": FAST, "gpu": GPU}
    scenes = {
        group: make_scene(template, pods, booting=booting[n], maximum=max(most[n], booting[n]))
        for n, (group, template) in enumerate(templates.items())
    }
    shares = share_pods(scenes, PRICES.get)
    assert Counter(pod.title for one in shares.values() for pod in one) == Counter(
        pod.title for pod in pods
    )
    for group, given_pods in shares.items():
        for pod in given_pods:
            holds = {name for name, template in templates.items() if can_hold(template, pod)}
            assert group in holds or not holds, (pod, group)


def can_hold(template: Template, pod: SeenPod) -> bool:
    return (
        pod.requests.cpu_millis <= template.allocatable.cpu_millis
        and pod.placement.accepts_labels(template.labels)
        and pod.placement.tolerates(template.taints)
    )
