"""Exit code 2 means that nothing was changed."""

import pytest

from domain.kernel.errors import BadRequest, ClusterError, QuotaReached, RefusedAfterwards
from domain.spec.cluster import ClusterSpec
from flows._cli.command import refusals_come_first
from tests.iaas_daemon import IaasDaemon
from tests.tasks.handles import make_account, make_cluster


def refuse(changes: int) -> None:
    """A run that sends so many changes before it is refused."""
    with IaasDaemon() as daemon:
        cluster = make_cluster(ClusterSpec(), make_account(daemon.endpoint))
        with refusals_come_first(cluster):
            cluster.inventory()
            for number in range(changes):
                cluster.cloud.create_security_group(f"k8s.demo.{number}")
            raise QuotaReached("no router is left in the quota")


@pytest.mark.parametrize(("changes", "error"), [(0, QuotaReached), (1, RefusedAfterwards)])
def test_a_refusal_after_a_change_is_no_bad_request(
    changes: int, error: type[ClusterError]
) -> None:
    with pytest.raises(error, match="no router is left"):
        refuse(changes)


def test_only_a_refusal_that_comes_first_is_a_bad_request() -> None:
    assert issubclass(QuotaReached, BadRequest)
    assert not issubclass(RefusedAfterwards, BadRequest)
