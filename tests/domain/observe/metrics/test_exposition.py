"""Prometheus' text format, read back with Prometheus' own parser."""

from datetime import UTC, datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from domain.observe.metrics.exposition import expose
from domain.observe.metrics.records import Gap, Sample

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def sample(
    metric: str, value: float, minute: int = 0, machine: str = "n1", unit: str = ""
) -> Sample:
    time = NOON + timedelta(minutes=minute)
    return Sample(time, "demo", "k8s-node" if machine else "", machine, metric, value, unit)


def read(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (one.name, labels(**one.labels)): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def labels(**values: str) -> frozenset[tuple[str, str]]:
    """The labels of a series; an empty one means the same to Prometheus as no label."""
    return frozenset((name, value) for name, value in values.items() if value)


NODE = labels(cluster="demo", group="k8s-node", machine="n1")


def test_latest_sample_of_each_series_is_a_gauge() -> None:
    samples = [
        sample("podsNum", 5, minute=1),
        sample("podsNum", 3),
        sample("podsPending", 2, 0, ""),
    ]
    assert read(expose(samples)) == {
        ("k8s_qingcloud_pods_num", NODE): 5.0,
        ("k8s_qingcloud_pods_pending", labels(cluster="demo")): 2.0,
    }


def test_a_custom_monitor_keeps_its_name_and_unit() -> None:
    text = expose([sample("nginxPods", 1e-9, unit="pods")])
    assert "# HELP k8s_qingcloud_nginx_pods nginxPods (pods)\n" in text
    assert "# TYPE k8s_qingcloud_nginx_pods gauge\n" in text
    assert read(text) == {("k8s_qingcloud_nginx_pods", NODE): 1e-9}


def test_gaps_are_exposed_and_special_characters_are_escaped() -> None:
    gap = Gap(NOON, "demo", "k8s-node", 'a"b\\c\nd', "custom", "it hung")
    assert read(expose([], [gap])) == {
        (
            "k8s_qingcloud_gap",
            labels(cluster="demo", group="k8s-node", machine='a"b\\c\nd', metric="custom"),
        ): 1.0
    }


def test_a_custom_monitor_may_have_any_name_of_the_exposition() -> None:
    gap = Gap(NOON, "demo", "k8s-node", "n1", "custom", "it hung")
    names = ("gap", "podsTotal", "python_info", "up_created", "a_bucket")
    found = read(expose([sample(name, 2) for name in names], [gap]))
    assert found.pop(("k8s_qingcloud_gap", NODE | labels(metric="custom"))) == 1.0
    assert set(found.values()) == {2.0}
    assert {name for name, _ in found} == {
        "k8s_qingcloud_gap",
        "k8s_qingcloud_pods_total",
        "k8s_qingcloud_python_info",
        "k8s_qingcloud_up_created",
        "k8s_qingcloud_a_bucket",
    }


def test_not_a_number_and_infinity_have_the_words_of_the_format() -> None:
    text = expose([sample("a", float("nan")), sample("b", float("-inf")), sample("c", 2e9)])
    assert [line.rsplit(" ")[-1] for line in text.splitlines() if line[0] != "#"] == [
        "NaN",
        "-Inf",
        "2e+09",
    ]


def test_nothing_is_an_empty_text() -> None:
    assert expose([]) == ""
