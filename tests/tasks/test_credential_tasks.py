"""A cluster's secrets in their block: every key of the same user finds them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.testing.utilities import prefect_test_harness
from rich.console import Console

from blocks.accounts import choose_account
from domain.cloud.endpoints import Endpoints
from domain.cloud.jobs import wait_for_jobs
from domain.cloud.records import InstanceSpec
from domain.cluster.claims import Holder
from domain.kernel.errors import BadRequest, CredentialsMissing, InvalidSpec, WaitTimedOut
from domain.kernel.names import MASTERS
from domain.reports.cluster import Endpoint
from domain.secrets.credentials import make_credentials
from domain.spec.cluster import ClusterSpec, changed
from flows._cli.terminal import show_report
from flows.autoscale import autoscale
from localcloud.iaas.signature import Account
from tasks import vault
from tasks.claims import PrefectClaims
from tasks.cluster import Cluster, open_cluster
from tasks.machines import log_in_to_master
from tasks.overview import read_report, wanted_spec
from tasks.vault import PrefectVault
from tests.domain.clocks import JumpingClock
from tests.domain.makers import make_view
from tests.iaas_daemon import ACCOUNT, IaasDaemon
from tests.tasks.handles import make_account, make_cluster

ROTATED = Account("ROTATEDROTATEDROTATE", "new secret", ACCOUNT.user_id)
STRANGER = Account("STRANGERSTRANGERSTRA", "own secret", "usr-stranger")


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=90):
        yield


@contextmanager
def opened(daemon: IaasDaemon, key: Account) -> Iterator[Cluster]:
    with open_cluster(make_account(daemon.endpoint, key), "demo") as cluster:
        yield cluster


def test_an_account_of_another_version_is_named_with_its_fields() -> None:
    make_account().save("old")
    with get_client(sync_client=True) as client:
        block = client.read_block_document_by_name("old", block_type_slug="qingcloud-account")
        without = BlockDocumentUpdate(
            block_schema_id=block.block_schema_id,
            data={"access_key_id": "KEY"},
            merge_existing_data=False,
        )
        client.update_block_document(block.id, without)
    fields = r"\(zone, secret_access_key\); save it again"
    with pytest.raises(InvalidSpec, match=rf"block qingcloud-account/old .* {fields}"):
        choose_account("old")
    with pytest.raises(InvalidSpec, match="there is no account block named 'none'"):
        choose_account("none")


def save(cluster: Cluster) -> None:
    cluster.vault.save(make_credentials("demo", datetime.now(UTC)))


def test_of_many_runs_at_once_one_gets_the_claim_on_the_server() -> None:
    for _ in range(3):
        stores = [PrefectClaims("demo-12345678") for _ in range(6)]
        runs = [Holder(f"run {number}", process=number) for number in range(6)]
        with ThreadPoolExecutor(6) as threads:
            tried = [
                threads.submit(copy_context().run, store.create, run)
                for store, run in zip(stores, runs, strict=True)
            ]
            created = [run for run, one in zip(runs, tried, strict=True) if one.result()]
        found = stores[0].find()
        assert found is not None
        assert created == [found.holder]
        renewed = replace(found, renewals=1)
        assert stores[0].renew(renewed)
        assert stores[1].find() == renewed
        stores[0].delete(found)
        assert not stores[0].renew(renewed)
        assert stores[1].create(runs[1])
        stores[0].delete(found)  # of an earlier claim
        later = stores[1].find()
        assert later is not None
        assert later.holder == runs[1]
        stores[1].delete(later)
        assert stores[1].find() is None


def test_a_new_key_of_the_same_user_finds_the_credentials_and_another_user_s_does_not() -> None:
    with IaasDaemon() as old, IaasDaemon(ROTATED) as new, IaasDaemon(STRANGER) as other:
        with opened(old, ACCOUNT) as before, opened(new, ROTATED) as after:
            save(before)
            assert after.find_credentials() == before.find_credentials()
            assert after.find_credentials() is not None
        with (
            opened(other, STRANGER) as theirs,
            pytest.raises(CredentialsMissing, match="on this Prefect server") as missing,
        ):
            theirs.credentials()
        assert isinstance(missing.value, BadRequest)  # hence exit code 2


def test_machines_without_credentials_are_refused_and_an_empty_account_is_not() -> None:
    with IaasDaemon(STRANGER) as daemon, opened(daemon, STRANGER) as cluster:
        assert wanted_spec(cluster, None, {}).name == "demo"
        start_master(cluster)
        cluster.look_again()
        with pytest.raises(CredentialsMissing, match="tear the cluster down"):
            wanted_spec(cluster, None, {})


def start_master(cluster: Cluster) -> None:
    """A machine by the master's name, which is what an evaluation knows a cluster by."""
    key = make_credentials("demo", datetime.now(UTC)).ssh
    cloud = cluster.cloud
    spec = InstanceSpec(
        name="k8s.demo.k8s-master",
        count=1,
        image_id=cloud.list_system_images()[0].id,
        type_id="s1.large.r2",
        disk_gib=40,
        vxnet_id=cloud.create_vxnet("k8s.demo.vxnet-1"),
        keypair_id=cloud.create_keypair("k8s.demo.key", key.public_key),
        security_group_id=cloud.create_security_group("k8s.demo.machines"),
        userdata_attachment=cloud.upload_userdata(b"\0" * 10240),
    )
    wait_for_jobs(cloud, [cloud.run_instances(spec).job_id])


def test_an_evaluation_without_credentials_fails_instead_of_waiting() -> None:
    with IaasDaemon(STRANGER) as daemon:
        with opened(daemon, STRANGER) as cluster:
            start_master(cluster)
        with pytest.raises(CredentialsMissing, match="on this Prefect server"):
            autoscale.fn(make_account(daemon.endpoint, STRANGER), "demo")


def test_a_report_without_credentials_names_them_instead_of_a_silent_api() -> None:
    with IaasDaemon(STRANGER) as daemon, opened(daemon, STRANGER) as cluster:
        assert read_report(cluster, ClusterSpec()).trouble == ""
        start_master(cluster)
        cluster.look_again()
        report = read_report(cluster, ClusterSpec())
        assert "PREFECT_API_URL" in report.trouble
        assert cluster.key in report.trouble
    console = Console(file=StringIO(), width=120)
    api = Endpoint("https://127.64.0.1:8080", ready=False)
    show_report(replace(report, api=api), console=console)
    assert isinstance(console.file, StringIO)
    assert "https://127.64.0.1:8080 was not asked" in console.file.getvalue()


def test_ssh_that_does_not_answer_names_the_allowed_sources() -> None:
    spec = changed(ClusterSpec(), {"access": {"allowed_cidrs": ["203.0.113.0/24"]}})
    master = make_view(spec).masters[0]
    cluster = make_cluster(spec, clock=JumpingClock()).wanting(spec, accept_new_host_keys=True)
    save(cluster)
    endpoints = Endpoints("127.0.0.1", "192.168.1.200", 8080, 8443, 9, master.id)
    with pytest.raises(WaitTimedOut, match=r"Only 203\.0\.113\.0/24 may .* --allow"):
        log_in_to_master(cluster.at(endpoints, {MASTERS: "root"}), master)


def test_the_cloud_is_asked_once_for_the_user_of_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with IaasDaemon() as daemon:
        account = make_account(daemon.endpoint)
        for _ in range(2):  # as many processes
            monkeypatch.setattr(vault, "_users", {})
            assert vault.find_user(account, account.client()) == ACCOUNT.user_id
            assert vault.find_user(account, account.client()) == ACCOUNT.user_id
        assert daemon.iaas.calls["DescribeAccessKeys"] == 1


def test_credentials_that_are_saved_again_are_whole_and_secret() -> None:
    vault = PrefectVault("again-1a2b3c4d")
    first, then = (make_credentials("again", datetime.now(UTC)) for _ in range(2))
    for credentials in (first, then, first):
        vault.save(credentials)
        assert vault.find() == credentials
    assert vault.delete()
    vault.save(then)  # the document that this process knew is gone
    assert vault.find() == then
    with get_client(sync_client=True) as client:
        shown = client.read_block_document_by_name(
            "again-1a2b3c4d", "cluster-credentials", include_secrets=False
        )
    assert then.ca.key not in str(shown.data)
    assert then.ca.certificate == shown.data["ca_certificate"]
