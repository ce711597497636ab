"""Versions of the control plane, and the deprecated APIs that it was asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from domain.cluster.versions import RequestedApi

DEPRECATED = "apiserver_requested_deprecated_apis"
"""A gauge that each API server has; 1 for what was used since its start."""


def version_from(pod: Mapping[str, Any]) -> tuple[str, str]:
    """The node of an API server's pod, and its version, which is the tag of its image."""
    image: str = pod["spec"]["containers"][0]["image"]
    return pod["spec"]["nodeName"], image.partition("@")[0].rpartition(":")[2]


def requested_from(metrics: str) -> Sequence[RequestedApi]:
    """Read the deprecated APIs out of all metrics, of which there are megabytes."""
    lines = [line for line in metrics.splitlines() if line.startswith(DEPRECATED)]
    return [
        RequestedApi(
            sample.labels.get("group", ""),
            sample.labels.get("version", ""),
            sample.labels.get("resource", ""),
            sample.labels.get("removed_release", ""),
        )
        for family in text_string_to_metric_families("\n".join(lines) + "\n")
        for sample in family.samples
        if sample.value
    ]
