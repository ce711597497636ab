"""Loads, the picture of a replay, and the command that shows it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from domain.autoscaling.replay.loads import burst, constant, daily, parse_load, recorded, sawtooth
from domain.autoscaling.replay.simulation import Scenario, replay
from domain.kernel.errors import InvalidSpec
from domain.reports.replay_chart import draw_replay
from domain.spec.presets import PRESETS
from flows._cli.flags.autoscale import app
from flows.autoscale import main


def test_loads_have_the_shape_of_their_name() -> None:
    hours = [0, 1, 3]
    assert [constant(150).pods(3600.0 * hour) for hour in hours] == [150, 150, 150]
    assert [burst(150).pods(3600.0 * hour) for hour in hours] == [30, 150, 30]
    assert [daily(150).pods(3600.0 * hour) for hour in (4, 16)] == [30, 150]
    assert [sawtooth(150).pods(seconds) for seconds in (0, 1800, 3599, 3600)] == [30, 90, 150, 30]


@pytest.mark.parametrize("words", ["constant:many", "burst:-3", "daily:1e9", "constant:999999999"])
def test_load_needs_a_valid_number(words: str) -> None:
    with pytest.raises(InvalidSpec, match="write a number of pods"):
        parse_load(words)


def test_recorded_samples_hold_until_the_next_one() -> None:
    load = recorded("time,pods\n2026-11-02T08:00:00,10\n2026-11-02T09:00:00,90\n", "my.csv")
    assert [load.pods(seconds) for seconds in (0, 3599, 3600, 99_999)] == [10, 10, 90, 90]
    assert load.hours == 1


def test_the_tidy_frame_of_the_metrics_is_summed_by_time() -> None:
    frame = "time,machine,metric,value\n0,a,podsNum,10\n0,b,podsNum,5\n0,a,cpu,99\n60,a,podsNum,7\n"
    load = recorded(frame, "frame.csv")
    assert [load.pods(0), load.pods(60)] == [15, 7]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no samples"),
        ("time,pods\n", "no samples"),
        ("time,pods\nlater,3\n", "line 2"),
        ("time,pods\n0,3\n60,many\n", "line 3"),
        ("time,pods\n0,-3\n", "-3 pods"),
        ("when,what\n0,3\n", "line 2"),
        ("time,pods\n0,nan\n", "nan pods"),
    ],
)
def test_samples_that_cannot_be_read_are_refused_with_their_line(text: str, words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        recorded(text, "my.csv")


@pytest.mark.parametrize("guarded", [True, False])
def test_picture_is_svg_with_the_outcome(guarded: bool) -> None:
    picture = draw_replay(replay(Scenario(PRESETS["pending"], burst(150), guarded=guarded)))
    words = " ".join(ElementTree.fromstring(picture).itertext())
    assert "Replay of burst:150" in words
    assert "settles at" in words


def test_a_replay_of_nothing_has_a_picture_too() -> None:
    draw_replay(replay(Scenario(PRESETS["pending"], constant(0), hours=0.1, machines=0)))


def run_command(*arguments: str) -> None:
    main(app(arguments, exit_on_error=False, print_error=False, result_action="return_value"))


def test_the_command_writes_one_document(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    chart = tmp_path / "chart.svg"
    run_command("--replay", "article-screen", "--chart", str(chart), "--json")
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (document["additions"], document["removals"], document["resting_size"]) == (2, 0, 5)
    assert "Without guards: no rest" in err
    assert chart.read_text().startswith("<svg")


def test_the_command_reads_a_policy_and_a_load_from_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    policy, load = tmp_path / "policy.yaml", tmp_path / "load.csv"
    policy.write_text("preset: pending\nmaximum: 4\nlow_use: null\n")
    load.write_text("time,pods\n0,50\n3600,500\n7200,500\n")
    run_command("--replay", str(policy), "--load", str(load), "--json")
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (document["resting_size"], document["most_pods_waiting"]) == (4, 500 - 3 * 40)
    assert "nothing removes machines" in document["doubts"][0]
    assert "Doubt: nothing removes machines" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--replay", "mine"), "neither a preset, article-text"),
        (("--replay", "pending", "--load", "flood"), "neither one of constant"),
        (("--replay", "pending", "--hours", "0"), "--hours 0"),
        (("--replay", "pending", "--boot-minutes", "-1"), "--boot-minutes -1"),
        (("--replay", "pending", "--machines", "-1"), "--machines -1"),
        (("--replay", "pending", "--chart", "/nowhere/at/all.svg"), "chart cannot be written"),
    ],
)
def test_command_refuses_contradicting_arguments(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(InvalidSpec, match=words):
        run_command(*arguments)


def test_a_policy_file_must_be_readable(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    for text, words in (("a: [", "is not valid YAML"), ("- 1", "must hold keys")):
        policy.write_text(text)
        with pytest.raises(InvalidSpec, match=words):
            run_command("--replay", str(policy))
