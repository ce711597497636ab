"""Runs of deployments that delete or buy: approved, refused, without an answer."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import yaml
from prefect import Flow, flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)

from blocks.accounts import QingCloudAccount
from domain.cloud.plan import Action, Plan, PlanItem
from domain.cloud.records import InstanceSpec
from domain.kernel.errors import NotConfirmed
from domain.kernel.names import NODES, Names
from domain.secrets.pki import make_ssh_keypair
from domain.secrets.userdata import build_userdata
from domain.spec.cluster import ClusterSpec
from domain.spec.prices import Billing
from flows.sweep import sweep
from tasks.approval import approve
from tests.acceptance.deployed import (
    answer,
    end_schedules,
    ending_of,
    find_deployment,
    question_of,
    start_run,
    working,
)
from tests.acceptance.workplace import ROOT, Workplace, ask
from tests.iaas_daemon import IaasDaemon
from tests.tasks.handles import make_account, make_cluster

EXAMPLE = ROOT / "docs" / "examples" / "cluster.yaml"

# Runs in the process of the test, as a worker's process carries them out.

IN_PROCESS = "in-process"
"""The name of the deployments that such runs are of."""

DELETION = Plan("demo", (PlanItem("router", "k8s.demo.router", Action.DELETE, "torn down"),))


@pytest.fixture
def server(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(workplace.home / ".local" / "share"))
    own = {
        PREFECT_API_URL: workplace.environment["PREFECT_API_URL"],
        PREFECT_API_AUTH_STRING: workplace.environment["PREFECT_API_AUTH_STRING"],
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    }
    with temporary_settings(own):
        yield
        with get_client(sync_client=True) as client:
            for one in client.read_deployments():
                if one.name == IN_PROCESS:
                    client.delete_deployment(one.id)


@flow
def deletion(wait: int, approval: str = "ask") -> str:
    account = make_account().model_copy(update={"approval": approval})
    approve(make_cluster(ClusterSpec(), account), lambda: DELETION, wait=wait)
    return "deleted"


def deployed_run(deployed: Flow[..., Any], **parameters: Any) -> FlowRun:
    """A run as a deployment creates it."""
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(deployed), name=IN_PROCESS)
        return client.create_flow_run_from_deployment(deployment, parameters=parameters)


def carry_out(deployed: Flow[..., Any], run: FlowRun, **parameters: Any) -> Any:
    return run_flow(deployed, flow_run=run, parameters=parameters or run.parameters)


def answered(deployed: Flow[..., Any], given: dict[str, Any], **parameters: Any) -> Any:
    """Carry a run out, and answer it once it waits. Returns: what it returned."""
    run = deployed_run(deployed)
    with ThreadPoolExecutor() as pool, get_client(sync_client=True) as client:
        work = partial(carry_out, deployed, run, **parameters)
        running = pool.submit(copy_context().run, work)
        while not (state := client.read_flow_run(run.id).state) or not state.is_paused():
            assert not running.done(), running.result()
            time.sleep(0.1)
        client.resume_flow_run(run.id, run_input=given)
        return running.result()


@pytest.mark.usefixtures("server")
def test_a_question_without_an_answer_expires_and_some_accounts_are_not_asked() -> None:
    with pytest.raises(NotConfirmed, match=r"within 1\.0 s; nothing was changed\. Run the depl"):
        carry_out(deletion, deployed_run(deletion, wait=1))
    assert carry_out(deletion, deployed_run(deletion, wait=1, approval="never")) == "deleted"


@pytest.mark.usefixtures("server")
def test_leftovers_are_swept_once_that_is_approved() -> None:
    with IaasDaemon(lag=timedelta(hours=2)) as daemon:
        account = make_account(daemon.endpoint)
        with account.client() as cloud:
            left = cloud.allocate_eip(Names("gone").address, 10, Billing.TRAFFIC)
            daemon.catch_up()
            given = {"account": account, "delete": True}
            with pytest.raises(NotConfirmed, match="the plan to delete leftovers was not approved"):
                answered(sweep, {"approve": False}, **given)
            assert [one.id for one in cloud.find_eips(Names("gone").address)] == [left]
            answered(sweep, {"approve": True}, **given)
            assert list(cloud.find_eips(Names("gone").address)) == []


# Runs of a worker, on an account that bills.


@pytest.fixture(scope="module")
def paid(workplace: Workplace) -> Iterator[Workplace]:
    """A workplace with an account that bills, everything deployed for it, and a worker."""
    with temporary_settings(
        {
            PREFECT_API_URL: workplace.environment["PREFECT_API_URL"],
            PREFECT_API_AUTH_STRING: workplace.environment["PREFECT_API_AUTH_STRING"],
        }
    ):
        found = workplace.run("localcloud", "env", "--json").json
        names = ("ZONE", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "ENDPOINT")
        values = {name.lower(): found[f"QINGCLOUD_{name}"] for name in names}
        QingCloudAccount(**values, bills=True).save("paid", overwrite=True)
    done = workplace.run("deployments.register", "--name", "paid", "--account", "paid")
    assert done.code == 0, done.err
    end_schedules(workplace, "paid")
    with working(workplace, PREFECT_WORKER_QUERY_SECONDS="1"):
        yield workplace
    assert workplace.run("deployments.register", "--name", "paid", "--remove").code == 0


def untouched_form(place: Workplace) -> dict[str, Any]:
    """What the form of `provision` posts where nobody has changed anything in it."""
    deployment = find_deployment(place, "provision", "paid")
    spec = deployment["parameter_openapi_schema"]["definitions"]["GivenSpec"]["properties"]
    defaults = {name: field["default"] for name, field in spec.items()}
    return defaults | dict(deployment["parameters"]["spec"])


def logged(place: Workplace, run: str) -> str:
    """The log of a run."""
    wanted = {"logs": {"flow_run_id": {"any_": [run]}}, "limit": 200}
    return "\n".join(str(line["message"]) for line in ask(place, "logs/filter", wanted))


def add_a_machine(place: Workplace) -> None:
    """Start one more machine in the group, as somebody in the cloud's console may."""
    names = Names("paid")
    with place.client() as cloud:
        one = cloud.find_instances(names.group(NODES))[0]
        (key,) = cloud.find_keypairs(names.keypair)
        (group,) = cloud.find_security_groups(names.machines)
        kind = ("noble1x64a", "s1.large.r2", 40)
        where = (
            one.vxnet_id,
            key.id,
            group.id,
            cloud.upload_userdata(build_userdata(make_ssh_keypair())),
        )
        cloud.run_instances(InstanceSpec(one.name, 1, *kind, *where))


@pytest.mark.timeout(400)
def test_nothing_is_bought_or_deleted_unapproved(paid: Workplace) -> None:
    wanted = yaml.safe_load(EXAMPLE.read_text()) | {
        "name": "paid",
        "access": {"allowed_cidrs": ["0.0.0.0/0"]},
        "notifications": {"services": [], "language": "zh"},
    }
    buying = {"spec": wanted, "demo": False, "ui": False}
    yes = {"approve": True, "cluster": "paid"}
    assert "another name; nothing was changed" in answer(
        paid, start_run(paid, "provision", "paid", **buying), approve=True, cluster="demo"
    )
    assert paid.cloud()["resources"] == {}
    run = start_run(paid, "provision", "paid", **buying)
    assert "yuan an hour" in question_of(paid, run)
    assert answer(paid, run, **yes).startswith("COMPLETED")

    before = paid.changes()
    unchanged = start_run(paid, "provision", "paid", spec=untouched_form(paid))
    assert ending_of(paid, unchanged).startswith("COMPLETED")  # nothing to ask for
    assert paid.changes() == before
    assert "description of paid: kept" in logged(paid, unchanged)
    run = start_run(paid, "scale", "paid", count=1)
    assert "(too early)" in answer(paid, run, approve=False, reason="too early")
    assert paid.changes() == before
    assert answer(paid, start_run(paid, "scale", "paid", count=1), **yes).startswith("COMPLETED")

    add_a_machine(paid)
    with paid.client() as cloud:
        (router,) = cloud.find_vpcs(Names("paid").router)
        ui = [one for one in cloud.list_port_forwards(router.id) if one.spec.public_port == 8443]
        cloud.delete_port_forwards([one.id for one in ui])
    run = start_run(paid, "drift", "paid", repair=True)
    asked = question_of(paid, run)
    assert "more than wanted" in asked  # what leaves
    assert "port forward" in asked, asked  # what `provision` then creates
    assert answer(paid, run, **yes).startswith("COMPLETED")
    assert answer(paid, start_run(paid, "teardown", "paid"), **yes).startswith("COMPLETED")
    assert paid.cloud()["resources"] == {}
