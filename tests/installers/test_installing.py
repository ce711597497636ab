"""The installers, run by bash on machines of the local cloud."""

import asyncio
import json
import ssl
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from localcloud import pki
from localcloud.https import get
from localcloud.kubernetes.client import MASTERS
from localcloud.machines.systems import CGROUP1
from tests.localcloud.machines.machine_lab import (
    MASTER,
    MASTER_SCRIPT,
    NODE,
    NODE_SCRIPT,
    OUTSIDE,
    TOKEN,
    VPC,
    Lab,
    make_machine_spec,
    master_settings,
    node_settings,
    open_lab,
    run,
)

UI_SCRIPT = "kube_ui_installer.sh"
MASTER_PHASES = ("host", "packages", "runtime", "images", "control_plane", "network")
NODE_PHASES = ("host", "packages", "runtime", "images")


def words(output: object) -> dict[str, str]:
    """Return the last outcome of each phase."""
    lines = [line.split() for line in str(output).splitlines() if line.startswith("PHASE ")]
    return {name: word for _, name, word in lines}


async def master_of(lab: Lab) -> str:
    """Set up a master, and return the hash of its CA."""
    await lab.boot(make_machine_spec("i-one", MASTER))
    done = await lab.install(MASTER_SCRIPT, master_settings())
    assert done.exit_status == 0, done.stderr
    return lab.plane().ca_hash


def test_a_master_is_set_up_and_a_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            first = await lab.install(MASTER_SCRIPT, master_settings())
            assert first.exit_status == 0, first.stderr
            assert words(first.stdout) == {
                "preflight": "ok", **dict.fromkeys(MASTER_PHASES, "ok"), "verify": "ok",
            }  # fmt: skip
            second = await lab.install(MASTER_SCRIPT, master_settings())
            assert second.exit_status == 0, second.stderr
            assert words(second.stdout) == {
                "preflight": "ok", **dict.fromkeys(MASTER_PHASES, "skipped"), "verify": "ok",
            }  # fmt: skip
            assert "nothing to do" in str(second.stdout)
            result = json.loads(
                (lab.disk("i-one") / "var/lib/k8s-installer/result.json").read_text()
            )
            assert (result["result"], result["exit_code"]) == ("unchanged", 0)

    run(story())


@pytest.mark.parametrize("system", ["ubuntu 22.04", "debian 12", "debian 13", "rocky 9"])
def test_a_node_installs_without_a_master_on_every_supported_system(
    tmp_path: Path, system: str
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec(system=system))
            settings = node_settings(NODE_IP=MASTER)
            first = await lab.install(NODE_SCRIPT, settings, "install")
            assert first.exit_status == 0, first.stderr
            assert words(first.stdout) == {"preflight": "ok", **dict.fromkeys(NODE_PHASES, "ok")}
            second = await lab.install(NODE_SCRIPT, settings, "install")
            assert set(words(second.stdout).values()) == {"ok", "skipped"}
            assert "nothing to do" in str(second.stdout)

    run(story())


def test_master_and_node_install_at_the_same_time_and_the_node_joins(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec("i-one", MASTER))
            await lab.boot(make_machine_spec("i-two", NODE))
            node = {"instance_id": "i-two", "address": NODE}
            master, installed = await asyncio.gather(
                lab.install(MASTER_SCRIPT, master_settings(MAX_PODS="47")),
                lab.install(NODE_SCRIPT, node_settings(), "install", **node),
            )
            assert (master.exit_status, installed.exit_status) == (0, 0)
            settings = node_settings(JOIN_TOKEN=TOKEN, CA_HASH=lab.plane().ca_hash)
            joined = await lab.install(NODE_SCRIPT, settings, "join", **node)
            assert joined.exit_status == 0, joined.stderr
            again = await lab.install(NODE_SCRIPT, settings, **node)
            assert "nothing to do" in str(again.stdout)

            api = lab.plane().client(MASTERS)
            seen = await api.request("GET", "/api/v1/nodes/k8s-node-two")
            assert seen["metadata"]["labels"]["k8s-qingcloud/group"] == "k8s-node"
            assert seen["status"]["capacity"]["pods"] == "47"
            assert seen["status"]["addresses"][0]["address"] == NODE
            settled = "kubectl wait --for=condition=Ready --timeout=60s nodes"
            names = "k8s-master-one k8s-node-two"
            kubeconfig = 'export KUBECONFIG="$SYSROOT/etc/kubernetes/admin.conf"'
            assert (await lab.run(f"{kubeconfig}; {settled} {names}")).exit_status == 0

    run(story())


def test_an_existing_ca_becomes_the_clusters_ca(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            machine = await lab.boot(make_machine_spec())
            given = pki.make_authority(machine.context.shared.clock.now())
            folder = lab.disk("i-one") / "etc/kubernetes/pki"
            folder.mkdir(parents=True)
            (folder / "ca.crt").write_bytes(given.certificate)
            (folder / "ca.key").write_bytes(given.key)
            done = await lab.install(MASTER_SCRIPT, master_settings())
            assert done.exit_status == 0, done.stderr
            assert (folder / "ca.crt").read_bytes() == given.certificate

    run(story())


def test_an_interrupted_init_is_cleaned_up_and_keeps_the_ca(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            machine = await lab.boot(make_machine_spec())
            folder = lab.disk("i-one") / "etc/kubernetes"
            (folder / "pki").mkdir(parents=True)
            given = pki.make_authority(machine.context.shared.clock.now())
            (folder / "pki/ca.crt").write_bytes(given.certificate)
            (folder / "pki/ca.key").write_bytes(given.key)
            (folder / "manifests").mkdir()
            (folder / "manifests/kube-apiserver.yaml").write_text("kind: Pod\n")
            done = await lab.install(MASTER_SCRIPT, master_settings())
            assert done.exit_status == 0, done.stderr
            assert "unfinished attempt" in str(done.stdout)
            assert (folder / "pki/ca.crt").read_bytes() == given.certificate

    run(story())


def test_a_finished_control_plane_that_does_not_answer_is_never_reset(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master_of(lab)
            lab.place_installers("i-one")
            await lab.plane().stop()
            # The wait is long by default, and shortened here by the script's own setting.
            script = lab.disk("i-one") / "opt/installers" / MASTER_SCRIPT
            text = script.read_text().replace("wait_until 180", "wait_until 1")
            script.write_text(text)
            command = f'bash "$SYSROOT/opt/installers/{MASTER_SCRIPT}"'
            done = await lab.run(f'{command} --env "$SYSROOT/tmp/settings"')
            assert done.exit_status == 32
            assert (lab.disk("i-one") / "etc/kubernetes/admin.conf").exists()

    run(story())


@pytest.mark.parametrize(
    ("system", "settings", "code", "sentence"),
    [
        pytest.param("centos 7", {}, 10, "CentOS 7 is too old", id="CentOS 7"),
        pytest.param("rocky 8", {}, 10, "rocky 8 is not supported", id="Rocky 8"),
        pytest.param("ubuntu 20.04", {}, 10, "ubuntu 20.04 is not supported", id="Ubuntu 20.04"),
        pytest.param(
            "ubuntu 24.04", {"SERVICE_CIDR": "192.168.0.0/16"}, 2, "covers this machine's address",
            id="service network over the machine's own",
        ),
        pytest.param(
            "ubuntu 24.04", {"K8S_VERSION": "1.36"}, 2, "a version with its patch", id="no patch"
        ),
        pytest.param(
            "ubuntu 24.04", {"K8S_VERSION": "1.30.4"}, 2, "use a patch of 1.35, 1.36 or 1.37",
            id="a version without today's configuration",
        ),
        pytest.param(
            "ubuntu 24.04", {"K8S_VERSION": "1.36.99"}, 21, "No mirror has all packages",
            id="a patch that the mirror does not have",
        ),
        pytest.param(
            "ubuntu 24.04", {"PACKAGE_MIRROR": "https://mirror.invalid"}, 20,
            "No package mirror answers", id="mirror out of reach",
        ),
        pytest.param(
            "ubuntu 24.04", {"PACKAGE_MIRROR": "somewhere"}, 2, "the words are", id="odd mirror"
        ),
        pytest.param(
            "ubuntu 24.04", {"IMAGE_REPOSITORY": "registry.invalid/x"}, 22,
            "No repository has all images",
            id="image repository out of reach",
        ),
        pytest.param("ubuntu 24.04", {"CLUSTER": ""}, 2, "CLUSTER is missing", id="no cluster"),
        pytest.param(
            "ubuntu 24.04", {"KUBERNETES_SIGNER": "0" * 40}, 21, "not to be trusted",
            id="packages with an unknown signature",
        ),
    ],
)  # fmt: skip
def test_bad_input_ends_with_one_sentence_and_its_code(
    tmp_path: Path, system: str, settings: dict[str, str], code: int, sentence: str
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec(system=system))
            lab.shorten_pauses()
            done = await lab.install(MASTER_SCRIPT, master_settings(**settings))
            errors = [line for line in str(done.stderr).splitlines() if line.startswith("ERROR ")]
            assert done.exit_status == code, done.stderr
            assert len(errors) == 1
            assert sentence in errors[0]

    run(story())


@pytest.mark.parametrize(
    ("field", "value", "code"), [("cgroup", CGROUP1, 11), ("kernel", "4.18.0-553.el8", 12)]
)
def test_an_old_kernel_and_an_old_cgroup_are_refused(
    tmp_path: Path, field: str, value: str, code: int
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            machine = await lab.boot(make_machine_spec())
            machine.context.system = replace(machine.context.system, **{field: value})
            done = await lab.install(NODE_SCRIPT, node_settings(), "install")
            assert done.exit_status == code
            assert not (lab.disk("i-one") / "etc/sysctl.d/99-zz-k8s.conf").exists()

    run(story())


@pytest.mark.parametrize(("vcpus", "memory_mib"), [(1, 4096), (2, 1024)])
def test_a_machine_too_small_for_a_master_is_refused_before_anything_is_touched(
    tmp_path: Path, vcpus: int, memory_mib: int
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec(vcpus=vcpus, memory_mib=memory_mib))
            done = await lab.install(MASTER_SCRIPT, master_settings())
            assert done.exit_status == 10
            assert "A master needs 2 processors" in str(done.stderr)
            assert not (lab.disk("i-one") / "etc/modules-load.d/k8s.conf").exists()

    run(story())


def test_another_user_than_root_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec(user="ubuntu"))
            done = await lab.install(MASTER_SCRIPT, master_settings(), user="ubuntu")
            assert done.exit_status == 13
            lab.place_installers("i-one")
            command = 'sudo -n -- bash "$SYSROOT/opt/installers/k8s_master_installer.sh"'
            done = await lab.run(f'{command} --env "$SYSROOT/tmp/settings"', user="ubuntu")
            assert done.exit_status == 0, done.stderr

    run(story())


def test_a_settings_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            await lab.install(MASTER_SCRIPT, {})
            (lab.disk("i-one") / "tmp/settings").chmod(0o640)
            script = '"$SYSROOT/opt/installers/k8s_master_installer.sh"'
            done = await lab.run(f'bash {script} --env "$SYSROOT/tmp/settings"')
            assert done.exit_status == 2
            assert "mode 0600" in str(done.stderr)

    run(story())


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        pytest.param(
            {"JOIN_TOKEN": "zzzzzz.0123456789abcdef"},
            31,
            "does not know the join token",
            id="token",
        ),
        pytest.param(
            {"JOIN_TOKEN": "abcdef.ffffffffffffffff"}, 31, "can't trust", id="token's secret"
        ),
        pytest.param({"CA_HASH": "sha256:" + "0" * 64}, 31, "are pinned", id="CA hash"),
        pytest.param(
            {"API_ADDRESS": "192.168.0.77", "API_WAIT": "1"}, 32, "Nothing answers", id="address"
        ),
    ],
)
def test_a_node_that_may_not_join_reports_why(
    tmp_path: Path, change: dict[str, str], code: int, sentence: str
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            ca_hash = await master_of(lab)
            await lab.boot(make_machine_spec("i-two", NODE))
            settings = node_settings(JOIN_TOKEN=TOKEN, CA_HASH=ca_hash) | change
            done = await lab.install(NODE_SCRIPT, settings, instance_id="i-two", address=NODE)
            assert done.exit_status == code
            assert sentence in str(done.stdout) + str(done.stderr)
            right = node_settings(JOIN_TOKEN=TOKEN, CA_HASH=ca_hash)
            again = await lab.install(NODE_SCRIPT, right, instance_id="i-two", address=NODE)
            assert again.exit_status == 0, again.stderr

    run(story())


def test_a_node_of_another_cluster_is_not_taken_for_one_of_this(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            ca_hash = await master_of(lab)
            await lab.boot(make_machine_spec("i-two", NODE))
            node = {"instance_id": "i-two", "address": NODE}
            settings = node_settings(JOIN_TOKEN=TOKEN, CA_HASH=ca_hash)
            assert (await lab.install(NODE_SCRIPT, settings, **node)).exit_status == 0
            done = await lab.install(NODE_SCRIPT, settings | {"CA_HASH": "sha256:0"}, **node)
            assert done.exit_status == 31
            assert "a node of another cluster" in str(done.stderr)

    run(story())


def test_no_installer_prints_the_token_or_leaves_it_behind(tmp_path: Path) -> None:
    secret = TOKEN.partition(".")[2]

    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            master = await lab.install(MASTER_SCRIPT, master_settings())
            assert master.exit_status == 0, master.stderr
            await lab.boot(make_machine_spec("i-two", NODE))
            settings = node_settings(JOIN_TOKEN=TOKEN, CA_HASH=lab.plane().ca_hash)
            place = {"instance_id": "i-two", "address": NODE}
            node = await lab.install(NODE_SCRIPT, settings, **place)
            assert node.exit_status == 0, node.stderr
            for done in (master, node):
                assert secret not in str(done.stdout) + str(done.stderr)
            for one in ("i-one", "i-two"):
                for file in (lab.disk(one) / "var/lib/k8s-installer").iterdir():
                    assert secret not in file.read_text(), file

    run(story())


def test_mirrors_of_one_registry_are_tried_in_turn(tmp_path: Path) -> None:
    mirrors = (
        "docker.io=https://one.example docker.io=https://two.example quay.io=https://q.example"
    )

    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            settings = node_settings(NODE_IP=MASTER, PULL_MIRRORS=mirrors)
            assert (await lab.install(NODE_SCRIPT, settings, "install")).exit_status == 0
            folder = lab.disk("i-one") / "etc/containerd/certs.d"
            hosts = tomllib.loads((folder / "docker.io/hosts.toml").read_text())
            assert hosts["server"] == "https://registry-1.docker.io"
            assert list(hosts["host"]) == ["https://one.example", "https://two.example"]
            again = await lab.install(NODE_SCRIPT, settings, "install")
            assert "nothing to do" in str(again.stdout)

    run(story())


def test_dry_run_shows_what_it_would_do_and_does_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            done = await lab.install(MASTER_SCRIPT, master_settings(), "--dry-run")
            assert done.exit_status == 0, done.stderr
            assert "+ swapoff -a" in str(done.stdout)
            assert "kubeadm=1.36.4-" in str(done.stdout)
            disk = lab.disk("i-one")
            assert not (disk / "etc/sysctl.d/99-zz-k8s.conf").exists()
            assert not (disk / "var/lib/k8s-installer").exists()

    run(story())


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "not noted"])
def test_a_run_killed_before_the_restart_of_containerd_is_continued(
    tmp_path: Path, noted: bool
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec(system="ubuntu 24.04"))
            settings = node_settings(NODE_IP=MASTER)
            assert (await lab.install(NODE_SCRIPT, settings, "install")).exit_status == 0
            config = lab.disk("i-one") / "etc/containerd/config.toml"
            ours = config.read_text()
            config.write_text('disabled_plugins = ["cri"]\n')
            await lab.run("systemctl restart containerd")
            config.write_text(ours)
            if not noted:
                (lab.disk("i-one") / "var/lib/k8s-installer/containerd.sum").unlink()
            again = await lab.install(NODE_SCRIPT, settings, "install")
            assert again.exit_status == 0, again.stderr
            assert words(again.stdout)["runtime"] == "ok"

    run(story())


def test_swap_stays_off_over_a_reboot(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            await lab.install(NODE_SCRIPT, node_settings(NODE_IP=MASTER), "install")
            await lab.machines.halt("i-one")
            await lab.boot(make_machine_spec())
            done = await lab.run('wc -l < "$SYSROOT/proc/swaps"')
            assert str(done.stdout).strip() == "1"

    run(story())


def test_f2cadm_answers_from_its_tables(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            await lab.install(NODE_SCRIPT, node_settings(NODE_IP=MASTER), "install")
            folder = lab.disk("i-one") / "etc/f2cadm"
            folder.mkdir()

            async def said(command: str) -> str:
                return str((await lab.run(command)).stdout)

            head = "clusterRole name id localIP\n"
            first, second = (
                "k8s-master m-one i-one 192.168.0.2\n",
                "k8s-node n-two i-two 192.168.0.3\n",
            )
            (folder / "servers").write_text(head + first + second)
            (folder / "local").write_text(head + first)
            ask = "f2cadm getClusterRoleServers --clusterrole-name k8s-node --field=localIP"
            assert (await lab.run(ask)).stdout == "192.168.0.3\n"
            assert (
                await lab.run("f2cadm getLocalServer --field=localIP")
            ).stdout == "192.168.0.2\n"
            assert (await lab.run("f2cadm getLocalServer --field=colour")).exit_status == 3
            assert (await lab.run("f2cadm getWeather")).exit_status == 2
            old = "f2cadm get clusterrole_servers_info"
            assert await said(f"{old} k8s-node localIP") == "192.168.0.3\n"
            assert json.loads(await said(f"{old} k8s-node"))[0]["id"] == "i-two"
            assert "clusterrole gpu field localIP does not exist" in await said(
                f"{old} gpu localIP"
            )
            assert json.loads(await said("f2cadm get local_server_info"))["name"] == "m-one"
            waited = await said("f2cadm waitUntilServerUp k8s-node 120")
            assert "#i-two vm is up, localIP:192.168.0.3" in waited
            assert (await lab.run("f2cadm waitUntilServerUp gpu 0")).exit_status == 4

    run(story())


def test_the_ui_is_installed_once_and_follows_a_new_certificate(tmp_path: Path) -> None:
    def write_certificate(lab: Lab) -> dict[str, str]:
        now = lab.machines.find("i-one").context.shared.clock.now()
        authority = pki.make_authority(now)
        pair = pki.issue(authority, now, "ui", server_names=["ui.example"])
        (lab.disk("i-one") / "root/ca.crt").write_bytes(authority.certificate)
        (lab.disk("i-one") / "root/ui.crt").write_bytes(pair.certificate)
        (lab.disk("i-one") / "root/ui.key").write_bytes(pair.key)
        root = lab.disk("i-one") / "root"
        return {"UI_TLS_CERT": f"{root}/ui.crt", "UI_TLS_KEY": f"{root}/ui.key"}

    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master_of(lab)
            settings = write_certificate(lab)
            first = await lab.install(UI_SCRIPT, settings)
            assert first.exit_status == 0, first.stderr
            assert words(first.stdout) == {"preflight": "ok", "ui": "ok", "rollout": "ok"}
            again = await lab.install(UI_SCRIPT, settings)
            assert words(again.stdout)["ui"] == "skipped"
            write_certificate(lab)
            renewed = await lab.install(UI_SCRIPT, settings)
            assert words(renewed.stdout)["ui"] == "ok"

            api = lab.plane().client(MASTERS)
            service = await api.request("GET", "/api/v1/namespaces/kube-system/services/kube-ui")
            assert service["spec"]["ports"][0]["nodePort"] == 30443
            authority = (lab.disk("i-one") / "root/ca.crt").read_text()
            reply = await get(
                lab.fabric.dial(VPC, OUTSIDE, MASTER, 30443),
                ssl.create_default_context(cadata=authority),
                "ui.example",
                "/",
            )
            assert reply.status == 200

            pods = await api.request(
                "GET",
                "/api/v1/namespaces/kube-system/pods",
                query={"labelSelector": "app=kube-ui"},
            )
            running = [p for p in pods["items"] if not p["metadata"].get("deletionTimestamp")]
            assert {pod["spec"]["nodeName"] for pod in running} == {"k8s-master-one"}

    run(story())


def test_the_ui_needs_a_master(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            disk = lab.disk("i-one")
            (disk / "root/x").write_text("x")
            settings = {"UI_TLS_CERT": f"{disk}/root/x", "UI_TLS_KEY": f"{disk}/root/x"}
            done = await lab.install(UI_SCRIPT, settings)
            assert done.exit_status == 2
            assert "not a master" in str(done.stderr)

    run(story())
