"""A cluster's secrets in their block: whoever has a key of the same user finds them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO

import pytest
from prefect.testing.utilities import prefect_test_harness
from pydantic import SecretStr
from rich.console import Console

from blocks.accounts import QingCloudAccount
from blocks.credentials import ClusterCredentials
from domain.cloud.inventory import Inventory
from domain.cloud.jobs import wait_for_jobs
from domain.cloud.records import InstanceSpec
from domain.kernel.errors import BadRequest, CredentialsMissing, WaitTimedOut
from domain.kernel.waiting import Pace
from domain.secrets.credentials import make_credentials
from domain.spec.cluster import ClusterSpec
from flows._command import wanted_spec
from flows._terminal import show_report
from flows.autoscale import autoscale
from localcloud.iaas.signature import Account
from tasks import credentials, shells
from tasks.machines import log_in_to_master
from tasks.overview import read_report
from tasks.shells import Entrance
from tests.domain.makers import make_view
from tests.iaas_daemon import ACCOUNT, ZONE, IaasDaemon

ROTATED = Account("ROTATEDROTATEDROTATE", "new secret", ACCOUNT.user_id)
STRANGER = Account("STRANGERSTRANGERSTRA", "own secret", "usr-stranger")


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=90):
        yield


def account_at(daemon: IaasDaemon, key: Account) -> QingCloudAccount:
    return QingCloudAccount(
        zone=ZONE,
        access_key_id=key.key_id,
        secret_access_key=SecretStr(key.secret),
        endpoint=daemon.endpoint,
        bills=False,
    )


def save(account: QingCloudAccount) -> None:
    made = ClusterCredentials.of(make_credentials("demo", datetime.now(UTC)))
    made.save(credentials.block_name(account, "demo"), overwrite=True)


def test_a_new_key_of_the_same_user_finds_the_credentials_and_a_stranger_s_does_not() -> None:
    with IaasDaemon() as old, IaasDaemon(ROTATED) as new, IaasDaemon(STRANGER) as other:
        save(account_at(old, ACCOUNT))
        found = credentials.find_credentials(account_at(new, ROTATED), "demo")
        assert found == credentials.find_credentials(account_at(old, ACCOUNT), "demo")
        assert found is not None
        with pytest.raises(CredentialsMissing, match="on this Prefect server") as missing:
            credentials.read_credentials(account_at(other, STRANGER), "demo")
        assert isinstance(missing.value, BadRequest)  # hence exit code 2


def test_machines_without_credentials_are_refused_and_an_empty_account_is_not() -> None:
    with IaasDaemon(STRANGER) as daemon:
        account = account_at(daemon, STRANGER)
        with pytest.raises(CredentialsMissing, match="tear the cluster down"):
            wanted_spec(account, make_view(ClusterSpec()), None, {})
        assert wanted_spec(account, Inventory("demo"), None, {}).name == "demo"


def start_master(account: QingCloudAccount) -> None:
    """A machine by the master's name, which is what an evaluation knows a cluster by."""
    key = make_credentials("demo", datetime.now(UTC)).ssh
    with account.client() as cloud:
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


def test_an_evaluation_without_credentials_fails_instead_of_waiting_for_better_times() -> None:
    with IaasDaemon(STRANGER) as daemon:
        account = account_at(daemon, STRANGER)
        start_master(account)
        with pytest.raises(CredentialsMissing, match="on this Prefect server"):
            autoscale.fn(account, "demo")


def test_a_report_without_credentials_says_so_instead_of_that_nothing_answers() -> None:
    spec = ClusterSpec()
    view = make_view(spec)
    with IaasDaemon(STRANGER) as daemon:
        account = account_at(daemon, STRANGER)
        report = read_report(account, view, spec.access)
        assert "PREFECT_API_URL" in report.trouble
        assert credentials.block_name(account, "demo") in report.trouble
        assert read_report(account, Inventory("demo"), spec.access).trouble == ""
    console = Console(file=StringIO(), width=120)
    show_report(report, console=console)
    assert isinstance(console.file, StringIO)
    assert "https://127.64.0.1:8080 was not asked" in console.file.getvalue()


def test_ssh_that_nobody_answers_names_the_sources_that_are_let_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shells, "BOOTING", Pace(timeout=0))
    master = make_view(ClusterSpec()).masters[0]
    with IaasDaemon() as daemon:
        account = account_at(daemon, ACCOUNT)
        save(account)
        allowed = ("203.0.113.0/24",)
        entrance = Entrance("demo", "127.0.0.1", 9, master, {}, True, allowed)
        with pytest.raises(WaitTimedOut, match=r"Only 203\.0\.113\.0/24 may .* --allow"):
            log_in_to_master.fn(account, entrance)


def test_the_cloud_is_asked_once_for_the_user_of_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with IaasDaemon() as daemon:
        account = account_at(daemon, ACCOUNT)
        for _ in range(2):  # as many processes
            monkeypatch.setattr(credentials, "_users", {})
            assert credentials.find_user(account) == ACCOUNT.user_id
            assert credentials.find_user(account) == ACCOUNT.user_id
        assert daemon.iaas.calls["DescribeAccessKeys"] == 1
