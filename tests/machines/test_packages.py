"""Mirrors: which packages and keys a real apt takes from them."""

import json
from pathlib import Path

import pytest

from tests.machines.guest import RELEASES
from tests.machines.machine import new_machine
from tests.machines.mirror import (
    FORBIDDEN,
    GOOD,
    HALF,
    LAGGING,
    MISSING,
    ROGUE,
    TORN,
    WAF,
    Mirrors,
)

WRONG = (WAF, FORBIDDEN, MISSING, LAGGING, HALF, TORN, ROGUE)


@pytest.mark.parametrize("release", RELEASES)
def test_each_wrong_mirror_is_left_for_the_next_and_gives_nothing(
    mirrors: Mirrors, tmp_path: Path, release: str
) -> None:
    with new_machine(mirrors, tmp_path, release) as machine:
        machine.install(machine.settings(*WRONG, GOOD), "install")
        result = json.loads(machine.run("cat /var/lib/k8s-installer/result.json"))
        assert result["package_mirror"] == f"{machine.url}/{GOOD}"
        refused = result["refused_mirrors"].split("; ")
        assert [text.partition(": ")[0] for text in refused] == [
            f"{machine.url}/{name}" for name in WRONG
        ]
        assert "9.9" not in machine.run("dpkg-query -W kubectl")
        trusted = machine.run("gpg --show-keys --with-colons /etc/apt/keyrings/*.asc")
        assert mirrors.signer.fingerprint in trusted
        assert mirrors.rogue.fingerprint not in trusted
        assert machine.install(machine.settings(GOOD), "install") is False, machine.progress
