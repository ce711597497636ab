"""Installers that were killed somewhere, and run again."""

from pathlib import Path

import pytest

from localcloud import pki
from tests.localcloud.machines.machine_lab import (
    MASTER,
    MASTER_SCRIPT,
    NODE_SCRIPT,
    Lab,
    make_machine_spec,
    master_settings,
    node_settings,
    open_lab,
    run,
)

STATE = "var/lib/k8s-installer"
PKI = "etc/kubernetes/pki"


def give_authority(lab: Lab) -> bytes:
    """Put a CA on the disk, as the flows do, and return its certificate."""
    given = pki.make_authority(lab.machines.find("i-one").context.shared.clock.now())
    folder = lab.disk("i-one") / PKI
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(given.certificate)
    (folder / "ca.key").write_bytes(given.key)
    return given.certificate


async def die_at(lab: Lab, line: str, where: str = MASTER_SCRIPT) -> None:
    """Run the master's installer, and kill it with SIGKILL after one of its lines."""
    lab.place_installers("i-one")
    script = lab.disk("i-one") / "opt/installers" / where
    text = script.read_text()
    assert text.count(line) == 1
    script.write_text(text.replace(line, f"{line}\nkill -KILL $$"))
    done = await lab.run(lab.installation(MASTER_SCRIPT, master_settings()))
    assert done.exit_status == 137, done.stderr


@pytest.mark.parametrize(
    ("line", "where"),
    [
        pytest.param("CHOSEN_MIRROR=$mirror", "lib/packages.sh", id="before the sources"),
        pytest.param("enable_unit containerd", "lib/runtime.sh", id="before containerd's restart"),
        pytest.param('init_file | write_file "$file" 0600', MASTER_SCRIPT, id="before init"),
        pytest.param('touch "$finished"', MASTER_SCRIPT, id="after init"),
        pytest.param('[[ $answer == *"no change"* ]] || CHANGED=1', "lib/cluster.sh", id="CoreDNS"),
    ],
)
def test_the_next_run_continues_and_keeps_the_authority(
    tmp_path: Path, line: str, where: str
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            given = give_authority(lab)
            await die_at(lab, line, where)
            done = await lab.install(MASTER_SCRIPT, master_settings())
            assert done.exit_status == 0, done.stderr
            assert (lab.disk("i-one") / PKI / "ca.crt").read_bytes() == given
            assert not (lab.disk("i-one") / STATE / "init.yaml").exists()

    run(story())


def test_an_init_killed_between_a_certificate_and_its_key_is_cleaned_up(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            given = give_authority(lab)
            await die_at(lab, 'init_file | write_file "$file" 0600')
            (lab.disk("i-one") / PKI / "apiserver.key").write_text("half of a pair")
            done = await lab.install(MASTER_SCRIPT, master_settings())
            assert done.exit_status == 0, done.stderr
            assert (lab.disk("i-one") / PKI / "ca.crt").read_bytes() == given

    run(story())


def test_the_authority_survives_a_clean_up_that_is_killed_itself(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            given = give_authority(lab)
            manifests = lab.disk("i-one") / "etc/kubernetes/manifests"
            manifests.mkdir()
            (manifests / "kube-apiserver.yaml").write_text("kind: Pod\n")
            await die_at(lab, "run direct kubeadm reset -f", "lib/cluster.sh")
            assert not (lab.disk("i-one") / PKI / "ca.key").exists()
            done = await lab.install(MASTER_SCRIPT, master_settings())
            assert done.exit_status == 0, done.stderr
            assert (lab.disk("i-one") / PKI / "ca.crt").read_bytes() == given

    run(story())


def test_half_installed_packages_are_completed(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            lab.shorten_pauses()
            journal = lab.disk("i-one") / "var/lib/dpkg/updates/0001"
            journal.parent.mkdir(parents=True)
            journal.touch()
            done = await lab.install(NODE_SCRIPT, node_settings(NODE_IP=MASTER), "install")
            assert done.exit_status == 0, done.stderr

    run(story())
