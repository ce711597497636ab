"""Whether a broken machine is removed now, and about each one when or why not."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from domain.autoscaling.decide.scene import Scene
from domain.autoscaling.decision import Note, Reason, Repair
from domain.autoscaling.see.snapshot import SeenMachine, SeenNode
from domain.node.exempt import is_exempt
from domain.node.serving import Fault
from domain.spec.scaling import RepairMode


@dataclass(frozen=True, slots=True)
class Patient:
    """A broken machine with its node; one of the two may be missing."""

    machine: SeenMachine | None
    node: SeenNode | None
    fault: Fault
    since: datetime

    @property
    def name(self) -> str:
        """The machine's id, or the name of a node without one."""
        return self.machine.id if self.machine else self.node_name

    @property
    def node_name(self) -> str:
        if self.machine:
            return self.machine.node
        return self.node.name if self.node else ""


def judge(scene: Scene) -> list[tuple[Patient, str | None]]:
    """Every broken machine of the group, the longest broken first, with the reason why it stays."""
    patients = sorted(_patients(scene), key=lambda one: (one.since, one.name))
    return [(patient, next(_objections(scene, patient), None)) for patient in patients]


def find_repairs(scene: Scene) -> tuple[Repair | None, list[Note]]:
    """Choose the machine that has been broken longest, of those that may be removed.

    Returns: the repair or None, and about each broken machine a note.
    """
    chosen: Repair | None = None
    notes: list[Note] = []
    for patient, why in judge(scene):
        since = f"since {patient.since:%H:%M:%S %Z}"
        if why is None and chosen is None:
            basis = scene.basis(Reason.REPAIR, f"{patient.name}, {patient.fault}, {since}")
            chosen = Repair(basis, patient.machine.id if patient.machine else "", patient.node_name)
        notes.append(
            Note(Reason.BROKEN, patient.name, f"{patient.fault}, {since}; {why or 'it leaves now'}")
        )
    return chosen, notes


def _patients(scene: Scene) -> Iterator[Patient]:
    since = scene.memory.broken_since
    for member in scene.broken:
        fault = scene.standings[member.machine.id].fault
        assert fault is not None
        begin = since.get(member.machine.id, scene.snapshot.time)
        yield Patient(member.machine, member.node, fault, begin)
    for node in scene.lost_nodes:
        yield Patient(None, node, Fault.GONE, since.get(node.name, scene.snapshot.time))


def _objections(scene: Scene, patient: Patient) -> Iterator[str]:
    """Yield why a broken machine stays, the most basic reason first."""
    repair, machine, node = scene.policy.repair, patient.machine, patient.node
    if repair.mode is RepairMode.OFF:
        yield "it stays, because the policy's repair is off"
    if machine and not machine.ours:
        yield f"it stays, because it was {Reason.HAND_MADE}"
    names = (patient.name, patient.node_name)
    if is_exempt(names, node.labels if node else {}, scene.policy.exempt):
        yield f"it stays, because it is {Reason.EXEMPT}"
    if node and node.removal_disabled:
        yield f"it stays, because it is {Reason.REMOVAL_DISABLED}"
    if machine and node and not node.schedulable and not node.removal_begun:
        yield f"it stays, because its node was {Reason.CORDONED}"
    if node and (pod := next((pod for pod in node.pods if pod.safe_to_evict is False), None)):
        yield f"it stays, because {Reason.POD_UNSAFE}: {pod.title}"
    if machine and scene.is_mass_failure:
        yield f"it stays, because {Reason.MANY_BROKEN}: {scene.down_text}"
    if until := scene.memory.stuck.get(patient.node_name):
        yield f"its removal failed, and is tried again at {until:%H:%M:%S %Z}"
    left = repair.after_seconds - scene.seconds_since(patient.since)
    if left > 0:
        yield f"it leaves in {left:.0f} s"
    if machine and len(scene.memory.repairs) >= repair.most_an_hour:
        yield f"it waits, because {repair.most_an_hour} were removed within an hour"
    if scene.leaving:
        yield f"it waits, because {Reason.REMOVAL_UNDER_WAY}"
