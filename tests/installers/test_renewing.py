"""Certificates of a master are renewed, and each part of its control plane is started with them."""

from pathlib import Path

from cryptography import x509

from tests.installers.test_installing import words
from tests.localcloud.machines.machine_lab import (
    MASTER,
    MASTER_SCRIPT,
    Lab,
    make_machine_spec,
    master_settings,
    open_lab,
    run,
)

SCRIPT = "renew_certificates.sh"
NAME = {"NODE_NAME": "k8s-master-one"}
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


async def a_master(lab: Lab) -> None:
    await lab.boot(make_machine_spec("i-one", MASTER))
    done = await lab.install(MASTER_SCRIPT, master_settings())
    assert done.exit_status == 0, done.stderr


def serial(lab: Lab, name: str = "apiserver") -> int:
    content = (lab.disk("i-one") / f"etc/kubernetes/pki/{name}.crt").read_bytes()
    return x509.load_pem_x509_certificate(content).serial_number


def labels(lab: Lab) -> list[int]:
    folder = lab.disk("i-one") / "etc/kubernetes/manifests"
    return [(folder / f"{one}.yaml").read_text().count("certificates: ") for one in COMPONENTS]


def test_all_are_renewed_and_used_and_a_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await a_master(lab)
            before = serial(lab)
            idle = await lab.install(SCRIPT, NAME)
            assert str(idle.stdout).rstrip().endswith("nothing to do.")
            for _ in range(2):
                done = await lab.install(SCRIPT, NAME | {"RENEW": "all"})
                assert done.exit_status == 0, done.stderr
                assert words(done.stdout)["restart"] == "ok"
                assert labels(lab) == [1] * 4
            assert serial(lab) != before
            ready = await lab.run(
                "kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz"
            )
            assert str(ready.stdout) == "ok"

    run(story())


def test_what_a_run_that_was_cut_off_has_renewed_is_brought_into_use(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await a_master(lab)
            (lab.disk("i-one") / "var/lib/k8s-installer/renewing").touch()
            done = await lab.install(SCRIPT, NAME)
            assert done.exit_status == 0, done.stderr
            assert labels(lab) == [1] * 4
            assert not (lab.disk("i-one") / "var/lib/k8s-installer/renewing").exists()

    run(story())


def test_a_node_and_an_unknown_name_are_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec("i-one", MASTER))
            done = await lab.install(SCRIPT, NAME)
            assert done.exit_status == 2
            assert "is not a master" in str(done.stderr)
            done = await lab.install(MASTER_SCRIPT, master_settings())
            done = await lab.install(SCRIPT, NAME | {"RENEW": "ca"})
            assert done.exit_status == 37

    run(story())
