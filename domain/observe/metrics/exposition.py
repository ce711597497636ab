"""Samples in Prometheus' text format, so that a Grafana that is there already can show them."""

import re
from collections import defaultdict
from collections.abc import Iterable

from domain.observe.metrics.records import Gap, Sample
from domain.spec.metrics import BUILT_IN

PREFIX = "k8s_qingcloud_"


def expose(samples: Iterable[Sample], gaps: Iterable[Gap] = ()) -> str:
    """Write the youngest sample of each series as a gauge, and each gap as a 1.

    Samples carry no time stamps, which node_exporter's text file collector would refuse.
    """
    series: defaultdict[str, dict[str, float]] = defaultdict(dict)
    helps: dict[str, str] = {}
    for sample in sorted(samples, key=lambda sample: sample.time):
        name = PREFIX + _snake(sample.metric)
        labels = _labels(cluster=sample.cluster, group=sample.group, machine=sample.machine)
        series[name][labels] = sample.value
        known = BUILT_IN.get(sample.metric)
        title = known.title if known else sample.metric
        helps[name] = f"{title} ({sample.unit})" if sample.unit else title
    for gap in gaps:
        name = PREFIX + "gap"
        labels = _labels(
            cluster=gap.cluster, group=gap.group, machine=gap.machine, metric=gap.metric
        )
        series[name][labels] = 1.0
        helps[name] = "A sample that could not be had in the last collection"
    lines: list[str] = []
    for name, values in sorted(series.items()):
        lines += [f"# HELP {name} {_escaped(helps[name])}", f"# TYPE {name} gauge"]
        lines += [f"{name}{labels} {value!r}" for labels, value in sorted(values.items())]
    return "".join(f"{line}\n" for line in lines)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _labels(**values: str) -> str:
    pairs = (f'{name}="{_quoted(value)}"' for name, value in values.items() if value)
    return "{" + ",".join(pairs) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")
