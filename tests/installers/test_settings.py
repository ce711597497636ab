"""Mirrors and registries: the same rules in a cluster's description and in the installers."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from domain.kernel.errors import InvalidSpec
from domain.spec.cluster import parse_spec

INSTALLERS = Path(__file__).resolve().parents[2] / "installers"
DEFAULTS = """
cd "$1" && . lib/base.sh && . lib/machine.sh && . lib/packages.sh && machine_defaults
"""

PACKAGES, PULLS, REPOSITORY = "package_mirror", "pull_mirrors", "image_repository"


def spec_accepts(field: str, value: Any) -> bool:
    try:
        parse_spec({"kubernetes": {field: value}})
    except InvalidSpec:
        return False
    return True


def installer_accepts(field: str, value: Any) -> bool:
    text = " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else value
    settings = {"NODE_NAME": "node-1", "K8S_VERSION": "1.36.4", field.upper(): text}
    done = subprocess.run(
        ["bash", "-c", DEFAULTS, "settings", INSTALLERS],
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 2), done.stderr
    assert done.stderr.count("ERROR") == (done.returncode == 2)
    return done.returncode == 0


@pytest.mark.parametrize(
    ("field", "value", "is_right"),
    [
        (PACKAGES, "aliyun", True),
        (PACKAGES, "https://mirror.example.org:8443/a upstream", True),
        (PACKAGES, "aliyum", False),
        (PACKAGES, "aliyun,tuna", False),
        (PACKAGES, "ftp://mirror.example.org", False),
        (PACKAGES, 'https://mirror.example.org/" x', False),
        (PULLS, {"docker.io": "https://mirror.example.org"}, True),
        (PULLS, {"registry.example.org:5000": "http://10.0.0.1:5000/v2/"}, True),
        (PULLS, {"https://docker.io": "https://mirror.example.org"}, False),
        (PULLS, {"docker.io/library": "https://mirror.example.org"}, False),
        (PULLS, {"docker.io": "mirror.example.org"}, False),
        (REPOSITORY, "registry.example.org:5000/google_containers", True),
        (REPOSITORY, "registry.example.org/a registry.k8s.io", True),
        (REPOSITORY, "registry.example.org/a,registry.k8s.io", False),
        (REPOSITORY, "registry.example.org/a\nkind: x", False),
        (REPOSITORY, "registry.example.org/a\nregistry.k8s.io", False),
        (REPOSITORY, "https://registry.example.org", False),
        (REPOSITORY, "registry.example.org/", False),
    ],
)
def test_both_accept_and_refuse_the_same(field: str, value: Any, is_right: bool) -> None:
    assert spec_accepts(field, value) is is_right
    assert installer_accepts(field, value) is is_right


@pytest.mark.parametrize(
    ("name", "is_right"),
    [("k8s-node-i-1", True), ("Master-VM1", False), ("a_b", False), ("a.b", True), ("-a", False)],
)
def test_only_names_that_kubeadm_keeps_are_accepted(name: str, is_right: bool) -> None:
    done = subprocess.run(
        ["bash", "-c", DEFAULTS, "settings", INSTALLERS],
        env=os.environ | {"NODE_NAME": name, "K8S_VERSION": "1.36.4"},
        capture_output=True,
    )
    assert (done.returncode == 0) is is_right
