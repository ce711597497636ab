"""Recording which run changed a group's size, and why, for the page of charts."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from prefect.runtime import flow_run

from blocks.monitoring import open_samples
from domain.kernel.errors import ClusterError
from domain.observe.scalings import Scaling
from tasks.cluster import Cluster
from tasks.steps import describe_error, run_logger


@contextmanager
def recorded_scaling(
    cluster: Cluster, group: str, who: str, why: str, *, before: int, wanted: int
) -> Iterator[None]:
    """Record the change of a group's size that is made inside, with its end or its failure.

    A database that does not answer is logged and ends nothing.

    Args: as the fields of `Scaling`.
    """
    now = datetime.now(UTC)
    scaling = Scaling(group, now, now, before, wanted, who, why, run=flow_run.ui_url or "")
    try:
        yield
    except BaseException as error:
        _record(cluster, replace(scaling, failure=describe_error(error)))
        raise
    _record(cluster, scaling)


@contextmanager
def recorded_sizes(cluster: Cluster, who: str) -> Iterator[None]:
    """Record a run that gives each group its described size, where it has another one."""
    inventory, spec = cluster.inventory(), cluster.spec
    with ExitStack() as stack:
        for group in spec.group_names:
            before, wanted = len(inventory.group(group)), spec.count(group)
            if before != wanted:
                why = f"the description wants {wanted}"
                stack.enter_context(
                    recorded_scaling(cluster, group, who, why, before=before, wanted=wanted)
                )
        yield


def _record(cluster: Cluster, scaling: Scaling) -> None:
    try:
        with open_samples(cluster.id) as samples:
            samples.scalings.add(replace(scaling, ended_at=datetime.now(UTC)))
    except ClusterError as error:
        run_logger().warning("the scaling was not recorded: %s", error)
