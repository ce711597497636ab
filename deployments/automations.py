"""Prefect automations of a cluster: what happens by itself when something happens, or does not.

They are made anew from this file by each deployment, found by their names, and an automation that
somebody has switched off stays off.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from prefect.automations import (
    AutomationCore,
    ChangeFlowRunState,
    EventTrigger,
    Posture,
    RunDeployment,
    SendNotification,
)
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.schemas.automations import Automation
from prefect.exceptions import ObjectNotFound

from domain.kernel.errors import InvalidSpec
from tasks.accounts import cluster_tags
from tasks.events import EVALUATED, PREFIX, cluster_resource
from words import translate

SILENT = timedelta(minutes=5)
"""How long the autoscaler, which runs each minute, may be silent."""

GONE = timedelta(minutes=3)
"""How long a run may send no heartbeat; it sends one each 30 s, and a server restarts sooner."""

TAKEN_UP = timedelta(seconds=90)
"""How long the run of a worker that was killed waits for another one; before it counts as gone."""

QUIET = timedelta(minutes=10)
"""After a message, or a started run, the next one of its kind comes no sooner."""

ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Crashed", "Cancelled")}

Related = dict[str, str | list[str]] | list[dict[str, Any]]
"""Resources that an event must be related to, as Prefect's triggers take them."""


class What(StrEnum):
    """What an automation is about, the end of its name."""

    FAILED = "run failed"
    SILENT = "autoscaler silent"
    ZOMBIE = "run without a worker"
    ALARM = "alarm raised"
    LOST = "worker lost"
    TAKEN_UP = "lost run goes on"


LOST = "WorkerLost"
"""The name of the state of a run whose worker was killed, and which another one takes up."""

LASTING = ("provision", "scale")
"""Flows whose run begins anew when its worker was killed, and continues where that one was."""


def automations_of(
    key: str, deployments: Mapping[str, UUID], services: Sequence[UUID]
) -> list[AutomationCore]:
    """Write the automations of a cluster.

    Args:
        key: as `Cluster.key`.
        deployments: by the name of the flow, such as `autoscale`.
        services: blocks that can notify; without one nobody is notified.
    """
    found = [_crash_zombies(key), _compare_after_alarm(key, deployments["drift"])]
    lasting = [deployments[flow] for flow in LASTING]
    found += [_lose(key, lasting), _take_up(key, lasting)]
    if services:
        found += [_tell_of_failure(key, services), _tell_of_silence(key, services)]
    return found


def ensure_automations(client: SyncPrefectClient, wanted: Iterable[AutomationCore]) -> None:
    """Create or update automations by their names; second ones of a name are deleted."""
    for one in wanted:
        found = client.read_automations_by_name(one.name)
        if not found:
            client.create_automation(one)
            continue
        # An update sends only values that were set; a dump sets them all.
        changed = AutomationCore.model_validate(
            one.model_dump(exclude={"owner_resource"}) | {"enabled": found[0].enabled}
        )
        client.update_automation(found[0].id, changed)
        _delete(client, found[1:])


def delete_automations(client: SyncPrefectClient, key: str) -> None:
    """Delete the automations of a cluster."""
    for what in What:
        _delete(client, client.read_automations_by_name(_name(key, what)))


def find_services(client: SyncPrefectClient, references: Iterable[str]) -> list[UUID]:
    """Find blocks that can notify, ours or Prefect's own.

    Args:
        references: a kind and a name, such as `dingtalk-robot/oncall` or `slack-webhook/team`.

    Raises:
        InvalidSpec: there is no such block, or it cannot notify.
    """
    return [_find_service(client, reference) for reference in references]


def notified_services(client: SyncPrefectClient, key: str) -> list[UUID]:
    """The blocks that the automations of a cluster notify at present."""
    found = client.read_automations_by_name(_name(key, What.FAILED))
    actions = [action for one in found for action in one.actions]
    return [one.block_document_id for one in actions if isinstance(one, SendNotification)]


def _find_service(client: SyncPrefectClient, reference: str) -> UUID:
    kind, _, name = reference.partition("/")
    try:
        block = client.read_block_document_by_name(name=name, block_type_slug=kind)
    except ObjectNotFound:
        raise InvalidSpec(
            f"there is no {kind or 'such'} block named {name!r} on this Prefect server; save one "
            "in its UI under Blocks"
        ) from None
    schema = block.block_schema
    if schema is None or "notify" not in schema.capabilities:
        raise InvalidSpec(f"the block {reference} cannot send notifications; name another one")
    return block.id


def _name(key: str, what: str) -> str:
    return f"{key}: {what}"


def _delete(client: SyncPrefectClient, found: Iterable[Automation]) -> None:
    for one in found:
        client.delete_automation(one.id)


def _of_runs(key: str) -> list[dict[str, Any]]:
    """Events of runs with the tags of this cluster and account."""
    return [{"prefect.resource.id": f"prefect.tag.{tag}"} for tag in cluster_tags(key)]


def _tell_of_failure(key: str, services: Sequence[UUID]) -> AutomationCore:
    return AutomationCore(
        name=_name(key, What.FAILED),
        description="A run failed or crashed: notify, once in ten minutes for each flow.",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related=_of_runs(key),
            for_each={"related:flow:prefect.resource.id"},
            within=QUIET,
        ),
        actions=[
            SendNotification(
                block_document_id=service,
                subject="{{ flow_run.name }}: {{ flow_run.state.name }}",
                body="{{ flow_run.state.message }}\n{{ flow_run|ui_url }}",
            )
            for service in services
        ],
    )


def _tell_of_silence(key: str, services: Sequence[UUID]) -> AutomationCore:
    # Not the states of its runs: Prefect 3.9 holds these back for a quarter of an hour where a run
    # began within five minutes of being scheduled, as after each deployment.
    evaluated = {f"{PREFIX}.{EVALUATED}"}
    minutes = int(SILENT.total_seconds() // 60)
    return AutomationCore(
        name=_name(key, What.SILENT),
        description=f"There was no evaluation for {minutes} minutes: notify, once.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            after=evaluated,
            expect=evaluated,
            match={"prefect.resource.id": cluster_resource(key)},
            within=SILENT,
        ),
        actions=[
            SendNotification(
                block_document_id=service,
                subject=translate(f"The autoscaler of {key} is silent"),
                body=translate(
                    f"There was no evaluation for {minutes} minutes. Look whether a worker runs "
                    "(make worker), and in the Prefect UI at the runs of its deployment."
                ),
            )
            for service in services
        ],
    )


def _no_heartbeat(related: Related, within: timedelta) -> EventTrigger:
    """A run has sent heartbeats, and then for so long neither one more nor its end."""
    heartbeat = {"prefect.flow-run.heartbeat"}
    return EventTrigger(
        posture=Posture.Proactive,
        after=heartbeat,
        expect=heartbeat | ENDS,
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related=related,
        for_each={"prefect.resource.id"},
        within=within,
    )


def _lose(key: str, deployments: Sequence[UUID]) -> AutomationCore:
    """Mark the run of a killed worker; the server refuses that for one that has ended meanwhile."""
    return AutomationCore(
        name=_name(key, What.LOST),
        description="The worker of a run was killed: mark the run, so that another one begins it.",
        trigger=_no_heartbeat(_of_deployments(deployments), TAKEN_UP),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name=LOST,
                message="No heartbeat for 90 seconds: the process of this run was killed. Another "
                "worker takes it up, and it continues where that one was.",
            )
        ],
    )


def _take_up(key: str, deployments: Sequence[UUID]) -> AutomationCore:
    return AutomationCore(
        name=_name(key, What.TAKEN_UP),
        description="A run was marked as lost with its worker: another worker begins it anew.",
        trigger=EventTrigger(
            expect={f"prefect.flow-run.{LOST}"},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related=_of_deployments(deployments),
            for_each={"prefect.resource.id"},
        ),
        actions=[ChangeFlowRunState(state=StateType.SCHEDULED, name="AwaitingRetry")],
    )


def _of_deployments(deployments: Sequence[UUID]) -> dict[str, str | list[str]]:
    return {
        "prefect.resource.id": [f"prefect.deployment.{one}" for one in deployments],
        "prefect.resource.role": "deployment",
    }


def _crash_zombies(key: str) -> AutomationCore:
    return AutomationCore(
        name=_name(key, What.ZOMBIE),
        description="The worker of a run was killed, so its heartbeat ended: mark it as crashed.",
        trigger=_no_heartbeat(_of_runs(key), GONE),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message="No heartbeat for three minutes: the process of this run was killed. "
                "Nothing is lost; run the same deployment again, and it continues.",
            )
        ],
    )


def _compare_after_alarm(key: str, drift: UUID) -> AutomationCore:
    return AutomationCore(
        name=_name(key, What.ALARM),
        description="An alarm was raised: compare the cluster with its description.",
        trigger=EventTrigger(
            expect={f"{PREFIX}.alarm.raised"},
            match={"prefect.resource.id": cluster_resource(key)},
            within=QUIET,
        ),
        actions=[RunDeployment(source="selected", deployment_id=drift)],
    )
