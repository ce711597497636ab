"""Three masters by the commands: the first one is lost under a client, and replaced."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from benchmarks.masters import Client, count_members, lose_first_master
from tests.acceptance.workplace import Workplace

NAME = "trio"


@pytest.fixture
def trio(workplace: Workplace, tmp_path: Path) -> Iterator[Path]:
    """The file of a cluster with three masters, which exists."""
    file = tmp_path / "trio.yaml"
    file.write_text(yaml.safe_dump({"name": NAME, "masters": {"count": 3}, "nodes": {"count": 1}}))
    done = workplace.run("flows.provision", "--file", str(file), "--no-demo", "--no-ui")
    assert done.code == 0, done.err
    yield file
    assert workplace.run("flows.teardown", "--name", NAME, "--yes").code == 0


def test_a_lost_master_is_hardly_noticed_and_replaced(
    workplace: Workplace, trio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "trio.kubeconfig"
    assert workplace.run("flows.kubeconfig", "--name", NAME, "--out", str(config)).code == 0
    client = Client(config)
    try:
        lose_first_master(workplace, NAME)
        done = workplace.run("flows.provision", "--file", str(trio), "--no-demo", "--no-ui")
        assert done.code == 0, done.err
        assert count_members(workplace, NAME) == 3
    finally:
        client.close()
    noticed = client.part()
    with capsys.disabled():
        print(f"\n{len(noticed.failures)} of {noticed.requests} failed, gap {noticed.gap:.1f} s")
    assert noticed.requests > 2 * len(noticed.failures)
    assert noticed.wrong == 0

    status = workplace.run("flows.status", "--name", NAME, "--json").json
    assert [one["group"] for one in status["nodes"]].count("k8s-master") == 3
    assert all(one["ready"] for one in status["nodes"])
    assert "unfinished" not in workplace.run("flows.status", "--name", NAME).out.lower()

    trio.write_text(yaml.safe_dump({"name": NAME, "masters": {"count": 2}}))
    refused = workplace.run("flows.provision", "--file", str(trio))
    assert refused.code == 2
    assert "use 1, 3 or 5 masters" in refused.sentence
