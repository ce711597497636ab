"""Several masters: the members of etcd, their quorum, and what a lost master leaves."""

from pathlib import Path

import pytest

from localcloud.kubernetes.client import MASTERS, ApiFailure
from localcloud.kubernetes.objects.kinds import CONFIG_MAP
from localcloud.machines.standins.kubeadm_upload_certs import new_certificate_key
from tests.localcloud.machines.machine_lab import (
    MASTER,
    MASTER_SCRIPT,
    NODE_SCRIPT,
    TOKEN,
    Lab,
    make_machine_spec,
    master_settings,
    node_settings,
    open_lab,
    run,
)
from tests.localcloud.machines.test_machine_control_planes import (
    JOIN,
    certificate_of,
    fails,
    succeeds,
)

ADDRESSES = {"one": MASTER, "two": "192.168.0.3", "three": "192.168.0.4", "four": "192.168.0.5"}
PKI = "/etc/kubernetes/pki/etcd"
ETCDCTL = (
    "crictl exec $(crictl ps --name '^etcd$' -q) etcdctl --endpoints https://127.0.0.1:2379 "
    f"--cacert {PKI}/ca.crt --cert {PKI}/healthcheck-client.crt --key {PKI}/healthcheck-client.key"
)


async def first_master(lab: Lab) -> None:
    await lab.boot(make_machine_spec())
    done = await lab.install(MASTER_SCRIPT, master_settings())
    assert done.exit_status == 0, done.stderr


async def prepare(lab: Lab, name: str) -> str:
    """A machine with all packages, from which `kubeadm join --config join.yaml` makes a master."""
    address, machine = ADDRESSES[name], f"i-{name}"
    await lab.boot(make_machine_spec(machine, address))
    settings = node_settings(NODE_NAME=f"k8s-master-{name}", NODE_IP=address)
    place = {"instance_id": machine, "address": address}
    done = await lab.install(NODE_SCRIPT, settings, "install", **place)
    assert done.exit_status == 0, done.stderr
    with (lab.disk(machine) / "etc/hosts").open("a") as hosts:
        hosts.write(f"{MASTER} k8s-api.demo.internal\n")
    key = new_certificate_key()
    await succeeds(
        lab, f"kubeadm init phase upload-certs --upload-certs --certificate-key {key}", MASTER
    )
    text = JOIN.replace("KEY", key).replace("TOKEN", TOKEN).replace("HASH", lab.plane().ca_hash)
    (lab.disk(machine) / "root/join.yaml").write_text(text.replace("master-two", f"master-{name}"))
    return address


async def join(lab: Lab, name: str) -> None:
    await succeeds(lab, "kubeadm join --config join.yaml", await prepare(lab, name))


async def three_masters(lab: Lab) -> None:
    await first_master(lab)
    await join(lab, "two")
    await join(lab, "three")


async def members(lab: Lab, name: str = "one") -> dict[str, str]:
    """The ids of the members by their names, as a master lists them."""
    listed = await succeeds(lab, f"{ETCDCTL} member list", ADDRESSES[name])
    rows = [line.split(", ") for line in listed.splitlines()]
    assert {row[5] for row in rows} == {"false"}
    return {row[2].rpartition("-")[2]: row[0] for row in rows}


async def put(lab: Lab, name: str) -> None:
    body = {"metadata": {"name": name}}
    await lab.plane().client(MASTERS).request("POST", CONFIG_MAP.path("default"), body=body)


async def names(lab: Lab) -> set[str]:
    found = await lab.plane("i-two").client(MASTERS).request("GET", CONFIG_MAP.path("default"))
    return {item["metadata"]["name"] for item in found["items"]} - {"kube-root-ca.crt"}


async def closed(lab: Lab, name: str) -> bool:
    """Whether a master's API server takes no connection."""
    try:
        await certificate_of(lab, ADDRESSES[name])
    except OSError:
        return True
    return False


def test_two_of_three_serve_and_one_alone_does_not(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await three_masters(lab)
            assert set(await members(lab)) == {"one", "two", "three"}
            await put(lab, "before")
            await lab.machines.halt("i-one")
            assert await names(lab) == {"before"}
            assert await closed(lab, "one")
            assert not await closed(lab, "two")
            await lab.machines.halt("i-three")
            assert await closed(lab, "two")
            with pytest.raises(ApiFailure):
                await names(lab)
            said = await lab.run(f"{ETCDCTL} member list", ADDRESSES["two"])
            assert "context deadline exceeded" in str(said.stderr)
            await lab.boot(make_machine_spec("i-three", ADDRESSES["three"]))
            await succeeds(lab, f"{ETCDCTL} member list", ADDRESSES["two"])
            assert await names(lab) == {"before"}

    run(story())


def test_objects_outlive_the_first_master_and_the_process(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await three_masters(lab)
            await lab.machines.halt("i-one")
            body = {"metadata": {"name": "while-away"}}
            api = lab.plane("i-two").client(MASTERS)
            await api.request("POST", CONFIG_MAP.path("default"), body=body)
            await lab.machines.destroy("i-one")
        async with open_lab(tmp_path) as lab:
            for name in ("two", "three"):
                await lab.boot(make_machine_spec(f"i-{name}", ADDRESSES[name]))
            assert await names(lab) == {"while-away"}

    run(story())


def test_a_terminated_master_is_a_dead_member_until_it_is_removed(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await three_masters(lab)
            await prepare(lab, "four")
            hosts = lab.disk("i-four") / "etc/hosts"
            hosts.write_text(hosts.read_text().replace(MASTER, ADDRESSES["two"]))
            await lab.machines.destroy("i-one")
            known = await members(lab, "two")
            assert set(known) == {"one", "two", "three"}
            said = await fails(lab, "kubeadm join --config join.yaml", ADDRESSES["four"])
            assert (
                f"check-etcd: etcd cluster is not healthy: failed to dial endpoint https://{MASTER}"
                in said
            )
            refused = await lab.run(f"{ETCDCTL} member remove {known['three']}", ADDRESSES["two"])
            assert "Error: etcdserver: unhealthy cluster" in str(refused.stderr)
            done = await succeeds(lab, f"{ETCDCTL} member remove {known['one']}", ADDRESSES["two"])
            assert f"Member {known['one']} removed from cluster" in done
            await succeeds(lab, "kubeadm reset -f", ADDRESSES["four"])
            await succeeds(lab, "kubeadm join --config join.yaml", ADDRESSES["four"])
            assert set(await members(lab, "four")) == {"two", "three", "four"}

    run(story())


def test_reset_takes_a_member_out_and_its_api_server_ends(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await three_masters(lab)
            await succeeds(lab, "kubeadm reset -f", ADDRESSES["three"])
            assert set(await members(lab)) == {"one", "two"}
            known = await members(lab)
            await succeeds(lab, f"{ETCDCTL} member remove {known['two']}")
            await lab.machines.find("i-two").cluster.follow_manifests()
            assert await closed(lab, "two")
            assert set(await members(lab)) == {"one"}
            last = await lab.run(f"{ETCDCTL} member remove {known['one']}")
            assert "not enough started members" in str(last.stderr)

    run(story())


def test_the_kubernetes_service_leads_to_the_masters_that_are_there(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await three_masters(lab)
            await lab.machines.halt("i-one")
            path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
            found = await lab.plane("i-two").client(MASTERS).request("GET", path)
            addresses = {one for end in found["endpoints"] for one in end["addresses"]}
            assert addresses == {ADDRESSES["two"], ADDRESSES["three"]}

    run(story())


# --- the installers --------------------------------------------------------------------------

KEY = "5" * 64


async def install_further(lab: Lab, name: str, *words: str) -> str:
    """Run steps of the master's installer on a further master. Returns: the last output."""
    address, machine = ADDRESSES[name], f"i-{name}"
    await lab.boot(make_machine_spec(machine, address))
    settings = master_settings(
        NODE_NAME=f"k8s-master-{name}",
        NODE_IP=address,
        API_ADDRESS=MASTER,
        CERTIFICATE_KEY=KEY,
        CA_HASH=lab.plane().ca_hash,
    )
    shown = ""
    for word in words:
        place = {"instance_id": machine, "address": address}
        done = await lab.install(MASTER_SCRIPT, settings, word, **place)
        assert done.exit_status == 0, f"{done.stdout!s}{done.stderr!s}"
        shown = str(done.stdout)
        assert KEY not in shown + str(done.stderr)
    return shown


async def share_keys(lab: Lab) -> None:
    settings = master_settings(CERTIFICATE_KEY=KEY)
    done = await lab.install(MASTER_SCRIPT, settings, "certificates")
    assert done.exit_status == 0, f"{done.stdout!s}{done.stderr!s}"
    assert KEY not in str(done.stdout) + str(done.stderr)
    left = list((lab.disk("i-one") / "var/lib/k8s-installer").iterdir())
    assert not any(KEY in file.read_text() for file in left if file.is_file())


def test_the_installer_makes_further_masters_and_leaves_no_key(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await first_master(lab)
            await share_keys(lab)
            for name in ("two", "three"):
                shown = await install_further(lab, name, "install", "join")
                assert "DONE master k8s-master" in shown
                state = lab.disk(f"i-{name}") / "var/lib/k8s-installer"
                assert not (state / "join.yaml").exists()
                hosts = (lab.disk(f"i-{name}") / "etc/hosts").read_text()
                assert f"{ADDRESSES[name]}\tk8s-api.demo.internal" in hosts
            assert set(await members(lab)) == {"one", "two", "three"}
            again = await install_further(lab, "two", "join")
            assert "PHASE join skipped" in again
            script = 'bash "$SYSROOT/opt/installers/etcd_members.sh"'
            await lab.machines.halt("i-three")
            listed = await succeeds(lab, f"{script} list")
            rows = [line.split() for line in listed.splitlines()]
            assert [(row[0], *row[2:5], row[6]) for row in rows] == [
                ("MEMBER", "healthy", "started", "voter", "k8s-master-one"),
                ("MEMBER", "healthy", "started", "voter", "k8s-master-two"),
                ("MEMBER", "unhealthy", "started", "voter", "k8s-master-three"),
            ]
            refused = await lab.run(f"{script} remove {rows[1][1]}")
            assert refused.exit_status == 35
            assert "etcd refuses to remove the member" in str(refused.stderr)
            await succeeds(lab, f"{script} remove {rows[2][1]}")
            assert "UNCHANGED" in await succeeds(lab, f"{script} remove {rows[2][1]}")

    run(story())


def test_a_join_that_was_cut_off_leaves_no_member_behind(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await first_master(lab)
            await share_keys(lab)
            await install_further(lab, "two", "install", "join")
            # As after a kill between the end of kubeadm and the mark of the installer.
            (lab.disk("i-two") / "var/lib/k8s-installer/initialised").unlink()
            shown = await install_further(lab, "two", "join")
            assert "removing what an unfinished attempt left behind" in shown
            assert set(await members(lab)) == {"one", "two"}

    run(story())
