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
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def labels(**values: str) -> frozenset[tuple[str, str]]:
    return frozenset(values.items())


NODE = labels(cluster="demo", group="k8s-node", machine="n1")


def test_the_youngest_of_each_series_is_a_gauge() -> None:
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


def test_gaps_can_be_seen_and_odd_words_are_quoted() -> None:
    gap = Gap(NOON, "demo", "k8s-node", 'a"b\\c\nd', "custom", "it hung")
    assert read(expose([], [gap])) == {
        (
            "k8s_qingcloud_gap",
            labels(cluster="demo", group="k8s-node", machine='a"b\\c\nd', metric="custom"),
        ): 1.0
    }


def test_nothing_is_an_empty_text() -> None:
    assert expose([]) == ""
