"""etcd's snapshots: they hold what the cluster held, and a restore brings exactly that back."""

import json
from pathlib import Path

from localcloud.kubernetes.client import MASTERS
from localcloud.kubernetes.objects.kinds import CONFIG_MAP
from tests.localcloud.machines.machine_lab import MASTER, Lab, open_lab, run
from tests.localcloud.machines.test_machine_control_planes import succeeds
from tests.localcloud.machines.test_machine_etcd import (
    ADDRESSES,
    ETCDCTL,
    first_master,
    members,
    three_masters,
)

ETCDUTL = "crictl exec $(crictl ps --name '^etcd$' -q) etcdutl"
FILE, NEW = "/var/lib/etcd/backup.db", "/var/lib/etcd/restored"
STOP = """
cd "$SYSROOT/etc/kubernetes" && mkdir -p aside && mv manifests/*.yaml aside/
while [[ -n $(crictl ps --name '^etcd$' -q) ]]; do sleep 0.1; done
"""
SWAP = 'cd "$SYSROOT/var/lib/etcd" && mv member before && mv restored/member member'
START = 'cd "$SYSROOT/etc/kubernetes" && mv aside/*.yaml manifests/'


async def fails(lab: Lab, command: str) -> str:
    done = await lab.run(command, MASTER)
    assert done.exit_status in (1, 2), f"{command}: {done.stdout!s}"
    return str(done.stderr)


async def put(lab: Lab, name: str, machine: str = "i-one") -> None:
    body = {"metadata": {"name": name}}
    client = lab.plane(machine).client(MASTERS)
    await client.request("POST", CONFIG_MAP.path("default"), body=body)


async def names(lab: Lab, machine: str = "i-one") -> set[str]:
    found = await lab.plane(machine).client(MASTERS).request("GET", CONFIG_MAP.path("default"))
    return {item["metadata"]["name"] for item in found["items"]} - {"kube-root-ca.crt"}


async def restore_words(lab: Lab, name: str) -> str:
    listed = json.loads(await succeeds(lab, f"{ETCDCTL} member list -w json", ADDRESSES[name]))
    urls = {one["name"]: one["peerURLs"][0] for one in listed["members"]}
    [own] = [member for member in urls if member.endswith(name)]
    cluster = ",".join(f"{member}={url}" for member, url in urls.items())
    return (
        f"{ETCDUTL} snapshot restore {FILE} --data-dir {NEW} --name {own} --initial-cluster "
        f"{cluster} --initial-advertise-peer-urls {urls[own]} --initial-cluster-token new "
        "--bump-revision 1000000 --mark-compacted"
    )


async def until_it_serves(lab: Lab, count: int = 1) -> None:
    while len(lab.plane().etcd.running) < count or not lab.plane().is_running:
        await succeeds(lab, "sleep 0.1", MASTER)


def test_a_restore_brings_back_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await first_master(lab)
            await put(lab, "kept")
            await succeeds(lab, f"{ETCDCTL} snapshot save {FILE}", MASTER)
            status = json.loads(
                await succeeds(lab, f"{ETCDUTL} snapshot status {FILE} -w json", MASTER)
            )
            assert status["totalKey"] > 10 < status["revision"]
            assert (tmp_path / "i-one/disk/var/lib/etcd/backup.db").stat().st_size % 512 == 32
            await put(lab, "later")
            await succeeds(lab, await restore_words(lab, "one"), MASTER)
            assert await names(lab) == {"kept", "later"}  # nothing was changed yet
            for command in (STOP, SWAP, START):
                await succeeds(lab, command, MASTER)
            await until_it_serves(lab)
            assert await names(lab) == {"kept"}
            assert set(await members(lab)) == {"one"}

    run(story())


def test_three_members_are_restored_together(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await three_masters(lab)
            await put(lab, "kept")
            await succeeds(lab, f"{ETCDCTL} snapshot save {FILE}", MASTER)
            await put(lab, "later")
            saved = (lab.disk("i-one") / FILE.lstrip("/")).read_bytes()
            masters = ("one", "two", "three")
            for name in masters:
                (lab.disk(f"i-{name}") / FILE.lstrip("/")).write_bytes(saved)
                await succeeds(lab, await restore_words(lab, name), ADDRESSES[name])
            for command in (STOP, SWAP, START):
                for name in masters:
                    await succeeds(lab, command, ADDRESSES[name])
            await until_it_serves(lab, 3)
            assert set(await members(lab)) == set(masters)
            assert await names(lab) == {"kept"}
            await lab.machines.halt("i-one")
            await put(lab, "new", "i-two")
            assert await names(lab, "i-two") == {"kept", "new"}

    run(story())


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await first_master(lab)
            await succeeds(lab, f"{ETCDCTL} snapshot save {FILE}", MASTER)
            file = lab.disk("i-one") / FILE.lstrip("/")
            content = bytearray(file.read_bytes())
            content[5000] ^= 1
            words = await restore_words(lab, "one")
            for changed, why in (
                (bytes(content), "expected sha256"),
                (bytes(content[:-32]), "snapshot missing hash"),
                (b"", "is empty"),
            ):
                file.write_bytes(changed)
                assert why in await fails(lab, words)
            other = words.replace("--name k8s", "--name other-k8s")
            assert "couldn't find local name" in await fails(lab, other)
            outside = f"{ETCDCTL} snapshot save /tmp/backup.db"
            assert "does not know" in await fails(lab, outside)

    run(story())
