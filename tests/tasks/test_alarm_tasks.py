"""Alarms from samples in a database to messages that a service on loopback receives."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect import flow
from prefect.testing.utilities import prefect_test_harness
from pydantic import SecretStr

from blocks.notifications import DingTalkRobot, FeishuRobot, Webhook, open_service
from clients.alarm_history import AlarmHistory
from clients.lives import LifeHistory
from clients.samples import SampleStore
from clients.schema import VERSION_TABLE
from domain.cloud.inventory import Machines
from domain.kernel.errors import BadRequest, InvalidSpec
from domain.kernel.names import NODES, node_name
from domain.observe.alarms.deliveries import Outcome, format_test_results
from domain.observe.alarms.report import AlarmReport
from domain.observe.alarms.states import Phase
from domain.observe.metrics.records import Sample
from domain.spec.cluster import ClusterSpec, changed
from tasks.alarms import (
    Services,
    close_history,
    collect_signals,
    evaluate_alarms,
    record_lives,
    send_test,
    step_alarms,
)
from tasks.metrics import Due
from tasks.overview import check_services
from tasks.steps import Recorder, listening
from tests.clients.notifications.chat_server import (
    FEISHU_TAKEN,
    ChatServer,
    chat_server,
    dingtalk_accepts,
    feishu_accepts,
)
from tests.domain.makers import DEMO, make_view
from tests.tasks.handles import make_cluster

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
SECRET = "SEC0123456789abcdef"
SPEC = changed(ClusterSpec(), {"notifications": {"language": "en"}})
VIEW = make_view(SPEC, nodes=2)
NODE_NAMES = [node_name(NODES, machine.id) for machine in VIEW.nodes]
SICK = NODE_NAMES[0]


@pytest.fixture(scope="module")
def prefect_server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=90):
        yield


@pytest.fixture
def chats() -> Iterator[tuple[ChatServer, ChatServer, ChatServer]]:
    """DingTalk, Feishu and a webhook."""
    with ExitStack() as stack:
        ding, feishu, hook = (stack.enter_context(chat_server()) for _ in range(3))
        feishu.answer = FEISHU_TAKEN
        yield ding, feishu, hook


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SampleStore]:
    with SampleStore(f"sqlite:///{tmp_path}/samples.db", DEMO) as samples:
        yield samples


def services_at(chats: tuple[ChatServer, ChatServer, ChatServer]) -> Services:
    ding, feishu, hook = chats
    secret = SecretStr(SECRET)
    dingtalk = DingTalkRobot(webhook=SecretStr(f"{ding.url}/robot?access_token=t"), secret=secret)
    robot = FeishuRobot(webhook=SecretStr(f"{feishu.url}/hook/t"), secret=secret)
    webhook = Webhook(url=SecretStr(f"{hook.url}/alarms"))
    return {
        "dingtalk-robot/oncall": dingtalk.client,
        "feishu-robot/oncall": robot.client,
        "alarm-webhook/oncall": webhook.client,
    }


def look(store: SampleStore, minute: int, sick: bool, services: Services) -> AlarmReport:
    """One minute of a cluster: a sample of each machine, then a look at the alarms."""
    now = NOON + timedelta(minutes=minute)
    samples = [
        Sample(now, "demo", NODES, name, "ready", float(not (sick and name == SICK)), "yes/no")
        for name in NODE_NAMES
    ]
    master = node_name("k8s-master", VIEW.masters[0].id)
    samples.append(Sample(now, "demo", "k8s-master", master, "ready", 1.0, "yes/no"))
    store.add(samples)
    return step_alarms(store, AlarmHistory(store.database, DEMO.key), SPEC, VIEW, now, services)


def titles(chat: ChatServer) -> list[str]:
    """The first line of each message, whichever service received it."""
    return [
        (
            request.body.get("title")
            or request.body.get("text", {}).get("content", "")
            or request.body.get("content", {}).get("text", "")
        ).splitlines()[0]
        for request in chat.received
    ]


def test_each_service_is_notified_once_when_a_node_fails_and_once_when_it_recovers(
    store: SampleStore, chats: tuple[ChatServer, ChatServer, ChatServer]
) -> None:
    services = services_at(chats)
    minutes = [False] * 3 + [True] * 6 + [False] * 4
    reports = [look(store, minute, sick, services) for minute, sick in enumerate(minutes)]
    phases = [[state.phase for state in report.active] for report in reports]
    assert phases[2] == []
    assert phases[5] == [Phase.PENDING]
    assert phases[7] == [Phase.FIRING]
    assert phases[-1] == []
    for chat in chats:
        assert titles(chat) == [
            f"[ERROR] demo: node is not Ready: {SICK}",
            f"[RESOLVED] demo: node is not Ready: {SICK}",
        ]
    ding, feishu, _ = chats
    assert all(dingtalk_accepts(request, SECRET) for request in ding.received)
    assert all(feishu_accepts(request, SECRET) for request in feishu.received)


def test_service_that_answers_500_stops_no_other_and_is_notified_when_it_recovers(
    store: SampleStore, chats: tuple[ChatServer, ChatServer, ChatServer]
) -> None:
    services = services_at(chats)
    ding, feishu, hook = chats
    ding.status = 500
    reports = [look(store, minute, True, services) for minute in range(3)]
    assert len(feishu.received) == len(hook.received) == 1
    [failed] = [one for one in reports[-1].deliveries if one.outcome is Outcome.FAILED]
    assert (failed.service, failed.reason) == ("dingtalk-robot/oncall", "DingTalk answers 500")
    ding.received.clear()
    ding.status = 200
    look(store, 3, True, services)
    look(store, 4, True, services)
    assert titles(ding) == [f"[ERROR] demo: node is not Ready: {SICK}"]
    assert len(feishu.received) == len(hook.received) == 1


@pytest.mark.usefixtures("prefect_server")
def test_test_message_reaches_every_service_and_each_answer_is_reported(
    chats: tuple[ChatServer, ChatServer, ChatServer],
) -> None:
    ding, _, hook = chats
    ding.answer = {"errcode": 310000, "errmsg": "sign not match"}
    DingTalkRobot(webhook=SecretStr(f"{ding.url}/robot?access_token=t")).save("tried")
    Webhook(url=SecretStr(f"{hook.url}/alarms")).save("tried")
    services = ["dingtalk-robot/tried", "wecom-robot/nobody", "alarm-webhook/tried"]
    spec = changed(SPEC, {"notifications": {"services": services}})
    told = send_test(spec, NOON)
    assert [(one.service, one.outcome) for one in told] == [
        ("dingtalk-robot/tried", Outcome.REFUSED),
        ("wecom-robot/nobody", Outcome.REFUSED),
        ("alarm-webhook/tried", Outcome.SENT),
    ]
    assert "sign not match" in told[0].reason
    assert "no wecom-robot block named 'nobody'" in told[1].reason
    assert titles(hook) == ["[TEST] demo: this is what an alarm looks like"]
    assert "1 of 3 took it" in format_test_results(told)
    with pytest.raises(InvalidSpec, match="has no notification service"):
        send_test(SPEC, NOON)


@pytest.mark.usefixtures("prefect_server")
def test_new_services_that_cannot_deliver_are_refused() -> None:
    Webhook(url=SecretStr("https://example.com/alarms")).save("there")
    services = ["alarm-webhook/there", "foo/bar", "dingtalk-robot/none"]
    spec = changed(SPEC, {"notifications": {"services": services}})
    with pytest.raises(InvalidSpec) as caught:
        check_services(spec, SPEC)
    assert "'foo' is not a kind of notification; known are dingtalk-robot, wecom-robot" in str(
        caught.value
    )
    assert "no dingtalk-robot block named 'none'" in str(caught.value)
    assert "alarm-webhook/there" not in str(caught.value)


@pytest.mark.usefixtures("prefect_server")
def test_stored_service_that_cannot_deliver_is_a_warning() -> None:
    spec = changed(SPEC, {"notifications": {"services": ["wecom-robot/deleted"]}})
    (words,) = check_services(spec, spec)
    assert "wecom-robot/deleted" in words
    with pytest.raises(InvalidSpec, match="no wecom-robot block named 'deleted'"):
        check_services(spec, None)
    assert check_services(SPEC, None) == ()


def test_service_that_refuses_leaves_a_visible_gap(
    store: SampleStore, chats: tuple[ChatServer, ChatServer, ChatServer]
) -> None:
    ding, _, hook = chats
    ding.answer = {"errcode": 310000, "errmsg": "sign not match"}
    for minute in range(3):
        look(store, minute, True, services_at(chats))
    [gap] = AlarmHistory(store.database, DEMO.key).read_failures(NOON)
    assert gap.outcome is Outcome.REFUSED
    assert "sign not match" in gap.reason
    assert len(ding.received) == len(hook.received) == 1


def test_cluster_whose_samples_stop_raises_an_alarm(
    store: SampleStore, chats: tuple[ChatServer, ChatServer, ChatServer]
) -> None:
    services, history = services_at(chats), AlarmHistory(store.database, DEMO.key)
    look(store, 0, False, services)
    for minute in range(5, 9):
        now = NOON + timedelta(minutes=minute)
        report = step_alarms(store, history, SPEC, VIEW, now, services)
    assert {(state.rule, state.phase) for state in report.active} == {("no-samples", Phase.FIRING)}
    assert len(report.active) == 2  # masters and nodes


@pytest.mark.usefixtures("prefect_server")
def test_cloud_that_does_not_answer_leaves_a_gap_and_the_other_signals() -> None:
    due = Due(monitoring=True, quota=True, inventory=False)
    found = collect_signals(make_cluster(SPEC), VIEW, NOON, due)
    assert [gap.metric for gap in found.gaps] == ["quotaNodes", "certificateDays"]
    assert {sample.metric for sample in found.samples} == {"machinesMissing", "atMaximum"}


@pytest.mark.usefixtures("prefect_server")
def test_lost_database_is_notified_once_and_so_is_its_recovery(
    tmp_path: Path,
    chats: tuple[ChatServer, ChatServer, ChatServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook = chats[2]
    folder = tmp_path / "away"
    monkeypatch.setenv("SAMPLES_URL", f"sqlite:///{folder}/samples.db")
    spec = changed(SPEC, {"notifications": {"services": ["alarm-webhook/oncall"]}})

    @flow
    def run(minute: int) -> AlarmReport:
        return evaluate_alarms(
            make_cluster(spec), Machines("demo"), NOON + timedelta(minutes=minute)
        )

    Webhook(url=SecretStr(f"{hook.url}/alarms")).save("oncall")
    blind = [run(0), run(1)]
    folder.mkdir()
    seeing = run(2)
    run(3)
    with pytest.raises(InvalidSpec, match="no dingtalk-robot block named 'nobody'"):
        open_service("dingtalk-robot/nobody")
    with pytest.raises(InvalidSpec, match="'pigeon' is not a kind of notification"):
        open_service("pigeon/oncall")
    assert all("does not answer" in report.blind for report in blind)
    assert seeing.blind == ""
    assert titles(hook) == [
        "[ERROR] demo: alarms are blind",
        "[RESOLVED] demo: alarms are evaluated again",
    ]


@pytest.mark.usefixtures("prefect_server")
def test_file_that_is_not_a_database_is_reported_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "samples.db"
    file.write_text("This is a text, and a long one, so that nobody takes it for a database. " * 9)
    monkeypatch.setenv("SAMPLES_URL", f"sqlite:///{file}")
    recorder = Recorder()
    with listening(recorder):
        report = evaluate_alarms(make_cluster(SPEC), VIEW, NOON)
    assert "not a database" in report.blind
    assert [step.failed for step in recorder.timeline("monitor").steps] == [True]


@pytest.mark.usefixtures("prefect_server")
def test_address_that_is_not_a_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLES_URL", "nonsense")
    with pytest.raises(InvalidSpec, match="is not valid"):
        evaluate_alarms(make_cluster(SPEC), VIEW, NOON)


@pytest.mark.usefixtures("prefect_server")
def test_database_of_a_newer_release_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/samples.db"
    monkeypatch.setenv("SAMPLES_URL", url)
    with SampleStore(url, DEMO) as samples, samples.database.transaction() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(BadRequest, match="has schema version 9999"):
        evaluate_alarms(make_cluster(SPEC), VIEW, NOON)


@pytest.mark.usefixtures("prefect_server")
def test_cluster_that_is_torn_down_has_no_open_life_and_no_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/samples.db"
    monkeypatch.setenv("SAMPLES_URL", url)
    with SampleStore(url, DEMO) as samples:
        record_lives(LifeHistory(samples.database, DEMO.key), VIEW, NOON)
        for minute in range(3):
            look(samples, minute, True, {})
        close_history(make_cluster(SPEC), NOON + timedelta(hours=1))
        history = AlarmHistory(samples.database, DEMO.key)
        assert {life.ended_at for life in LifeHistory(samples.database, DEMO.key).read()} == {
            NOON + timedelta(hours=1)
        }
        assert {state.phase for state in history.read_states()} == {Phase.OK}
