"""Samples in Prometheus' text format, which an existing Prometheus and Grafana can read."""

import re
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from domain.observe.metrics.records import Gap, Sample
from domain.spec.metrics import BUILT_IN

PREFIX = "k8s_qingcloud_"

_LABELS = ("cluster", "group", "machine", "metric")


def expose(samples: Iterable[Sample], gaps: Iterable[Gap] = ()) -> str:
    """Write the latest sample of each series as a gauge, and each gap as a 1.

    Samples carry no time stamps, which node_exporter's text file collector would refuse. A label
    that does not apply is empty, which means the same to Prometheus as no label.
    """
    registry = CollectorRegistry()  # the default one would add the Python process to the samples
    gauges: dict[str, Gauge] = {}

    def gauge_of(name: str, title: str) -> Gauge:
        if name not in gauges:
            gauges[name] = Gauge(PREFIX + name, title, _LABELS, registry=registry)
        return gauges[name]

    for one in sorted(samples, key=lambda one: (one.metric, one.group, one.machine, one.time)):
        gauge = gauge_of(_snake(one.metric), _describe(one))
        gauge.labels(one.cluster, one.group, one.machine, "").set(one.value)
    for gap in gaps:
        gauge = gauge_of("gap", "A sample that could not be measured in the last collection")
        gauge.labels(gap.cluster, gap.group, gap.machine, gap.metric).set(1)
    return generate_latest(registry).decode()


def _describe(sample: Sample) -> str:
    known = BUILT_IN.get(sample.metric)
    title = known.title if known else sample.metric
    return f"{title} ({sample.unit})" if sample.unit else title


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
