"""The autoscaler's packing and the emulated scheduler, asked about the same random pods.

What packing allows and the scheduler does not would be bought for in vain; the other way round, a
machine would be bought although there is room.
"""

import pytest

from tests.acceptance.random_pods import add_nodes, find_disagreements
from tests.localcloud.kubernetes.sample_cluster import run, running_cluster


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_packing_finds_room_for_a_pod_where_the_scheduler_does(seed: int) -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await add_nodes(cluster)
            assert await find_disagreements(cluster, seed, count=500) == []

    run(story())
