"""The cloud's readings as samples of machines with names."""

from datetime import UTC, datetime

from domain.observe.metrics.cloud import Reading, cloud_samples
from domain.observe.metrics.records import Sample

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def test_readings_get_the_names_and_units_of_their_machines_and_metrics() -> None:
    readings = [Reading("i-one", "cpu", NOON, 21.5), Reading("i-foreign", "cpu", NOON, 3.0)]
    places = {"i-one": ("k8s-node", "k8s-node-one")}
    assert cloud_samples(readings, "demo", places) == [
        Sample(NOON, "demo", "k8s-node", "k8s-node-one", "cpu", 21.5, "%")
    ]
