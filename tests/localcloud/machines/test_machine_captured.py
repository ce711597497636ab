"""A machine of a captured image has its packages, and an identity of its own."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.localcloud.machines.machine_lab import NODE, make_machine_spec, open_lab, run


@pytest.mark.parametrize("daemon_restarts", [False, True])
def test_machine_of_a_captured_image_has_its_files_and_packages(
    tmp_path: Path, daemon_restarts: bool
) -> None:
    key = "etc/ssh/ssh_host_ed25519_key"

    async def leave_behind() -> str:
        async with open_lab(tmp_path) as lab:
            first = await lab.boot(make_machine_spec("i-first"))
            await lab.run('echo kept > "$SYSROOT/srv/file"')
            await first.add_packages({"containerd.io": "2.0-1"})
            await lab.machines.halt("i-first")
            if not daemon_restarts:
                await lab.machines.capture("i-first", "img-golden")
            return (lab.disk("i-first") / key).read_text()

    async def begin_with_it(first_key: str) -> None:
        async with open_lab(tmp_path) as lab:
            if daemon_restarts:
                await lab.machines.capture("i-first", "img-golden")
            await lab.machines.destroy("i-first")
            spec = replace(make_machine_spec("i-second", NODE), image_id="img-golden")
            second = await lab.boot(spec)
            assert (
                await lab.run("cat $SYSROOT/srv/file; hostname", NODE)
            ).stdout == "kept\ni-second\n"
            assert second.context.state.packages["containerd.io"] == "2.0-1"
            assert second.units.is_active("containerd")
            assert (lab.disk("i-second") / key).read_text() != first_key
            await lab.machines.destroy("img-golden")
            assert not (tmp_path / "img-golden").exists()

    run(begin_with_it(run(leave_behind())))


def test_machine_that_was_never_on_leaves_an_empty_image(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.machines.capture("i-none", "img-empty")
            await lab.boot(replace(make_machine_spec(), image_id="img-empty"))

    run(story())
    assert not (tmp_path / "img-empty").exists()
