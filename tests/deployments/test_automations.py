"""Automations of a cluster: whom they notify, and what they wait for."""

from uuid import UUID, uuid4

from prefect.automations import EventTrigger, RunDeployment, SendNotification
from prefect.client.schemas.objects import TERMINAL_STATES
from prefect.events import ResourceSpecification

from deployments.automations import ENDS, GONE, SILENT, TAKEN_UP, What, automations_of
from tests.deployments.test_deployments import NAMED

DEPLOYED: dict[str, UUID] = {flow: uuid4() for flow in NAMED}


def test_without_a_service_nobody_is_notified() -> None:
    found = automations_of("demo-1a2b3c4d", DEPLOYED, [])
    actions = [action for one in found for action in one.actions]
    assert not any(isinstance(action, SendNotification) for action in actions)
    assert [one.deployment_id for one in actions if isinstance(one, RunDeployment)] == [
        DEPLOYED["drift"]
    ]


def test_every_service_is_notified_by_the_automations_of_the_cluster_alone() -> None:
    services = [uuid4(), uuid4()]
    found = automations_of("demo-1a2b3c4d", DEPLOYED, services)
    assert {one.name for one in found} == {f"demo-1a2b3c4d: {what}" for what in What}
    told = [
        [action.block_document_id for action in one.actions if isinstance(action, SendNotification)]
        for one in found
    ]
    assert sorted(map(len, told)) == [0, 0, 0, 0, 2, 2]
    assert services in told


def test_a_run_that_has_ended_is_no_zombie() -> None:
    ended = {f"prefect.flow-run.{state.value.capitalize()}" for state in TERMINAL_STATES}
    assert ended == ENDS
    found = [one for one in automations_of("demo-1a2b3c4d", DEPLOYED, []) if "worker" in one.name]
    assert len(found) == 2
    for one in found:
        assert isinstance(one.trigger, EventTrigger)
        assert one.trigger.expect > ENDS


def test_patience_is_longer_than_a_few_beats_and_evaluations() -> None:
    for item in NAMED.values():
        beat = item["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]
        assert GONE.total_seconds() >= 3 * int(beat)
    assert SILENT.total_seconds() >= 3 * 60


def test_the_run_of_a_killed_worker_is_taken_up_before_it_counts_as_crashed() -> None:
    found = {one.name: one for one in automations_of("demo-1a2b3c4d", DEPLOYED, [])}
    trigger = found["demo-1a2b3c4d: worker lost"].trigger
    assert isinstance(trigger, EventTrigger)
    assert 2 * TAKEN_UP <= GONE
    related = trigger.match_related
    assert isinstance(related, ResourceSpecification)
    assert related.root["prefect.resource.id"] == [
        f"prefect.deployment.{DEPLOYED[flow]}" for flow in ("provision", "scale")
    ]
