"""QingCloud's own command line, as published, works on a local cloud from a VPC to its end."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("qingcloud-cli==1.3.12", "setuptools<81")  # its driver imports pkg_resources
PATIENCE = 60.0
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKHEgxqVHbBbDwvnLJOcnBBOpeIOLV8Fcy6eQXKqQxZ0 me"


@pytest.fixture(scope="session")
def executable(pytestconfig: pytest.Config) -> Path:
    """The command in an environment of its own, made once and kept beside pytest's cache."""
    folder = pytestconfig.cache.mkdir("qingcloud-cli-1.3.12")
    found = folder / "bin" / "qingcloud"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *PACKAGES]
        installed = subprocess.run(pip, capture_output=True, text=True)
        if installed.returncode:
            pytest.skip(f"no package index: {installed.stderr.strip()[-200:]}")
        (folder / "complete").touch()
    return found


class Cloud:
    """A local cloud in a folder of its own, and the command pointed at it."""

    def __init__(self, executable: Path, folder: Path) -> None:
        self._executable = executable
        self._environment = os.environ | {"LOCALCLOUD_HOME": str(folder / "cloud")}
        self._settings = folder / "config.yaml"
        self.used: set[str] = set()

    def localcloud(self, *words: str) -> str:
        command = [sys.executable, "-m", "localcloud", *words]
        done = subprocess.run(
            command, cwd=REPOSITORY, env=self._environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def write_settings(self, **changes: Any) -> None:
        variables = json.loads(self.localcloud("env", "--json"))
        where = urlsplit(variables["QINGCLOUD_ENDPOINT"])
        settings = {
            "qy_access_key_id": variables["QINGCLOUD_ACCESS_KEY_ID"],
            "qy_secret_access_key": variables["QINGCLOUD_SECRET_ACCESS_KEY"],
            "zone": variables["QINGCLOUD_ZONE"],
            "host": where.hostname,
            "port": where.port,
            "protocol": where.scheme,
            "retry_time": 1,
        }
        self._settings.write_text(yaml.safe_dump(settings | changes))

    def say(self, command: str, *options: str) -> dict[str, Any]:
        """Run a command and return its answer; its exit status is 0 for refusals as well."""
        done = subprocess.run(
            [self._executable, "iaas", command, *options, "-f", self._settings],
            capture_output=True,
            text=True,
        )
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            pytest.fail(f"{command}: {(done.stdout + done.stderr)[-500:]}")
        assert isinstance(answer, dict), (command, answer)
        return answer

    def ok(self, command: str, *options: str) -> dict[str, Any]:
        answer = self.say(command, *options)
        assert answer["ret_code"] == 0, (command, answer)
        self.used.add(command)
        return answer

    def done(self, command: str, *options: str) -> dict[str, Any]:
        """Run an asynchronous command, and wait until its job has succeeded."""
        answer = self.ok(command, *options)
        deadline = time.monotonic() + PATIENCE
        while True:
            (job,) = self.ok("describe-jobs", "-j", answer["job_id"])["job_set"]
            if job["status"] not in ("pending", "working"):
                assert job["status"] == "successful", (command, job)
                return answer
            assert time.monotonic() < deadline, (command, job)

    def wait_for(self, command: str, noun: str, status: str, *options: str) -> dict[str, Any]:
        """Look at one resource until it has a status."""
        deadline = time.monotonic() + PATIENCE
        while True:
            (seen,) = self.ok(command, *options)[f"{noun}_set"]
            if seen["status"] == status and not seen["transition_status"]:
                return dict(seen)
            assert time.monotonic() < deadline, seen

    def all_ok(self, *commands: tuple[str, ...]) -> None:
        """Run commands that change nothing side by side."""
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda words: self.ok(*words), commands))


@pytest.fixture
def cloud(executable: Path, tmp_path: Path) -> Iterator[Cloud]:
    cloud = Cloud(executable, tmp_path)
    cloud.localcloud("up", "--profile", "instant")
    cloud.write_settings()
    yield cloud
    cloud.localcloud("down")


def test_vpc_with_a_machine_is_created_used_and_deleted_by_forty_commands(cloud: Cloud) -> None:
    group = make_firewall(cloud)
    router, vxnet, eip = make_network(cloud, group)
    key, machine = make_machine(cloud, vxnet)
    balancer, listener = make_balancer(cloud, vxnet, machine)
    attach_things(cloud, machine, vxnet)
    tag = tag_things(cloud, machine, router)
    look_around(cloud, router, vxnet, machine, balancer, listener, group)

    # The command sends an empty `eip` with every change of a router, which takes it away.
    cloud.ok("modify-router-attributes", "-r", router, "-N", "renamed")
    cloud.done("update-routers", "-r", router)
    cloud.wait_for("describe-eips", "eip", "available", "-e", eip)

    cloud.done("delete-loadbalancers", "-l", balancer)
    cloud.done("terminate-instances", "-i", machine, "-D", "1")
    cloud.done("leave-router", "-r", router, "-v", vxnet)
    cloud.ok("delete-vxnets", "-v", vxnet)
    cloud.done("delete-routers", "-r", router)
    cloud.done("release-eips", "-e", eip)
    cloud.ok("delete-security-groups", "-s", group)
    cloud.ok("delete-keypairs", "-k", key)
    cloud.ok("delete-tags", "-t", tag)
    assert json.loads(cloud.localcloud("status", "--json"))["resources"] == {}
    assert len(cloud.used) >= 40, sorted(cloud.used)


def make_firewall(cloud: Cloud) -> str:
    group = cloud.ok("create-security-group", "-N", "door")["security_group_id"]
    rules = [
        {"protocol": "tcp", "priority": "0", "action": "accept", "val1": port, "val2": port}
        for port in ("10022", "10023")
    ]
    added = cloud.ok("add-security-group-rules", "-s", group, "-r", json.dumps(rules))
    cloud.ok("delete-security-group-rules", "-r", added["security_group_rules"][1])
    cloud.done("apply-security-group", "-s", group)
    return str(group)


def make_network(cloud: Cloud, group: str) -> tuple[str, str, str]:
    (router,) = cloud.done("create-routers", "-N", "r", "-n", "192.168.0.0/16", "-s", group)[
        "routers"
    ]
    (vxnet,) = cloud.ok("create-vxnets", "-N", "v", "-t", "1")["vxnets"]
    cloud.done("join-router", "-r", router, "-v", vxnet, "-n", "192.168.7.0/24")
    (eip,) = cloud.ok("allocate-eips", "-b", "4", "-n", "e")["eips"]
    cloud.wait_for("describe-eips", "eip", "available", "-e", eip)
    cloud.done("change-eips-bandwidth", "-e", eip, "-b", "10")
    cloud.ok("modify-router-attributes", "-r", router, "-e", eip)
    forward = {"static_type": "1", "val1": "10022", "val2": "192.168.7.2", "val3": "22"}
    cloud.ok("add-router-statics", "-r", router, "-s", json.dumps([forward]))
    cloud.done("update-routers", "-r", router)
    return router, vxnet, eip


def make_machine(cloud: Cloud, vxnet: str) -> tuple[str, str]:
    images = cloud.ok("describe-images", "-P", "system", "-F", "ubuntu", "-s", "available")
    image = images["image_set"][0]["image_id"]
    key = cloud.ok("create-keypair", "-N", "k", "-m", "user", "-p", PUBLIC_KEY)["keypair_id"]
    (machine,) = cloud.done(
        "run-instances", "-m", image, "-t", "s1.small.r2", "-N", "m", "-n", vxnet,
        "-l", "keypair", "-k", key,
    )["instances"]  # fmt: skip
    cloud.ok("modify-instance-attributes", "-i", machine, "-N", "renamed")
    cloud.done("stop-instances", "-i", machine)
    golden = cloud.done("capture-instance", "-i", machine, "-N", "golden")["image_id"]
    cloud.ok("modify-image-attributes", "-i", golden, "-N", "renamed")
    cloud.done("delete-images", "-i", golden)
    cloud.done("resize-instances", "-i", machine, "-t", "s1.large.r2")
    cloud.done("start-instances", "-i", machine)
    cloud.done("restart-instances", "-i", machine)
    return key, machine


def make_balancer(cloud: Cloud, vxnet: str, machine: str) -> tuple[str, str]:
    balancer = cloud.done("create-loadbalancers", "-x", vxnet, "-N", "lb")["loadbalancer_id"]
    listener = {"listener_port": "8080", "listener_protocol": "tcp", "backend_protocol": "tcp"}
    (listener_id,) = cloud.ok(
        "add-loadbalancer-listeners", "-l", balancer, "-s", json.dumps([listener])
    )["loadbalancer_listeners"]
    backend = {"resource_id": machine, "port": "80", "weight": "5"}
    cloud.ok("add-loadbalancer-backends", "-s", listener_id, "-b", json.dumps([backend]))
    cloud.done("update-loadbalancers", "-l", balancer)
    return balancer, listener_id


def attach_things(cloud: Cloud, machine: str, vxnet: str) -> None:
    (volume,) = cloud.done("create-volumes", "-s", "20", "-N", "data")["volumes"]
    cloud.done("attach-volumes", "-i", machine, "-v", volume)
    cloud.done("detach-volumes", "-i", machine, "-v", volume)
    cloud.done("delete-volumes", "-v", volume)
    (nic,) = cloud.ok("create-nics", "-x", vxnet)["nics"]
    cloud.done("attach-nics", "-i", machine, "-n", nic["nic_id"])
    cloud.done("detach-nics", "-n", nic["nic_id"])
    cloud.ok("delete-nics", "-n", nic["nic_id"])


def tag_things(cloud: Cloud, machine: str, router: str) -> str:
    tag = cloud.ok("create-tag", "-N", "demo")["tag_id"]
    cloud.ok("attach-tags", "-p", f"{tag}:instance:{machine};{tag}:router:{router}")
    (seen,) = cloud.ok("describe-routers", "-T", tag)["router_set"]
    assert seen["router_id"] == router
    return str(tag)


def look_around(
    cloud: Cloud,
    router: str,
    vxnet: str,
    machine: str,
    balancer: str,
    listener: str,
    group: str,
) -> None:
    (seen,) = cloud.ok("describe-instances", "-i", machine, "-V", "1")["instance_set"]
    assert seen["vxnets"][0]["private_ip"] == "192.168.7.2"
    (wanted,) = cloud.ok("describe-router-statics", "-r", router)["router_static_set"]
    assert (wanted["static_type"], wanted["val3"]) == (1, "22")
    when = ("-s", "5m", "-b", "2026-01-01 00:00:00", "-e", "2036-01-01 00:00:00")
    cloud.all_ok(
        ("describe-vxnets", "-v", vxnet),
        ("describe-vxnet-instances", "-v", vxnet),
        ("describe-router-vxnets", "-r", router),
        ("describe-loadbalancers", "-l", balancer),
        ("describe-loadbalancer-listeners", "-l", balancer),
        ("describe-loadbalancer-backends", "-s", listener),
        ("describe-security-groups", "-s", group),
        ("describe-security-group-rules", "-s", group),
        ("describe-keypairs",),
        ("describe-tags",),
        ("describe-volumes",),
        ("describe-nics",),
        ("get-monitoring-data", "-r", machine, "-m", "cpu,memory", *when),
        ("get-lease-info", "-r", machine),
        ("get-balance",),
    )


def test_refusals_reach_the_command_with_the_message_of_the_api(cloud: Cloud) -> None:
    words = cloud.say("stop-instances", "-i", "i-none")
    assert (words["ret_code"], words["message"]) == (
        2100,
        "ResourceNotFound, resource [i-none] not found",
    )
    words = cloud.say("describe-alarms")
    assert words["ret_code"] == 1400
    assert "[DescribeAlarms]" in words["message"]
    cloud.localcloud("fault", "error", "--action", "CreateTag", "--code", "2400", "--times", "1")
    assert cloud.say("create-tag", "-N", "demo")["ret_code"] == 2400
    assert "struck 1×" in cloud.localcloud("fault", "list")
    cloud.localcloud("fault", "clear")
    cloud.ok("create-tag", "-N", "demo")
    cloud.write_settings(qy_secret_access_key="wrong")
    words = cloud.say("describe-tags")
    assert (words["ret_code"], words["message"]) == (1200, "AuthFailure, signature not matched")
