"""Userdata and the first login: whose host key a machine shows, and what its shell prints."""

from pathlib import Path

import pytest

from domain.kernel.errors import FinalError, HostKeyMismatch
from domain.node.login import make_own_host_key
from domain.secrets.hostkeys import USE_OWN_HOST_KEY
from domain.secrets.userdata import RC_LOCAL
from tests.machines.machine import Machine, new_machine
from tests.machines.mirror import Mirrors


def test_the_first_host_key_is_used_once_and_leaves_nothing(
    mirrors: Mirrors, tmp_path: Path
) -> None:
    with new_machine(mirrors, tmp_path) as machine:
        assert "first-host-key" not in machine.run("ls /etc/k8s-qingcloud")
        assert ".new" not in machine.run("ls /etc/ssh")
        own, first = machine.host_keys, machine.first_keys
        machine.guest.halt()
        machine.guest.boot()
        machine.run("sshd -t")
        machine.host_keys = first
        with pytest.raises(HostKeyMismatch, match="nothing was sent"):
            machine.connect()
        machine.host_keys = own
        machine.run("true")


def test_a_slow_rc_local_does_not_bring_the_first_key_back(
    mirrors: Mirrors, tmp_path: Path
) -> None:
    """At boot, SSH's own start runs the script beside the system's, and a login may be as fast."""
    slow = RC_LOCAL.replace("mv -f", "sleep 3\nmv -f", 1)
    with new_machine(mirrors, tmp_path) as machine:
        with machine.connect() as shell:
            shell.write_file("/root/rc", slow.encode(), 0o755)
            shell.write_file("/root/own", USE_OWN_HOST_KEY.encode(), 0o755)
        left = machine.run(
            "cd /var/lib/k8s-qingcloud && rm host-key-installed;"
            "ssh-keygen -q -t ed25519 -N '' -f /etc/k8s-qingcloud/first-host-key;"
            "ssh-keygen -q -t ed25519 -N '' -f next-host-key; cp next-host-key /root/wanted;"
            "bash /root/rc before-ssh & sleep 1; bash /root/own; wait;"
            "cmp /root/wanted /etc/ssh/ssh_host_ed25519_key && ls -A /etc/ssh"
        )
        assert "ssh_host_ed25519_key.pub" in left
        assert "ssh_host_ed25519_key." not in left.replace("key.pub", "")


def test_a_shell_that_prints_a_banner_does_no_harm(shared: Machine) -> None:
    shared.run("cp /root/.bashrc /root/kept; sed -i '1i echo Welcome to the machine' /root/.bashrc")
    try:
        assert "Welcome" in shared.run("true")
        with shared.connect() as shell:
            shell.write_file("/srv/file", b"content", 0o600)
            assert make_own_host_key(shell).startswith("ssh-ed25519 ")
        assert shared.run("cat /srv/file").endswith("content")
    finally:
        shared.run("mv /root/kept /root/.bashrc; rm -rf /srv/file /var/lib/k8s-qingcloud/next-*")


def test_a_sudo_that_wants_a_password_is_one_sentence(shared: Machine) -> None:
    shared.run("echo 'admin ALL=(ALL) ALL' >/etc/sudoers.d/admin")
    try:
        with shared.connect("admin") as shell, pytest.raises(FinalError) as caught:
            shell.write_file("/srv/file", b"content", 0o600)
        assert str(caught.value).endswith("sudo: a password is required")
    finally:
        shared.run("echo 'admin ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/admin")


def test_a_session_that_takes_long_to_begin_is_waited_for(shared: Machine) -> None:
    """sshd opens a channel only after PAM has set the session up, on a slow machine 25 seconds."""
    line = "session required pam_exec.so /bin/sleep 16"
    with shared.connect() as before:
        before.run(["sed", "-i", f"$ a {line}", "/etc/pam.d/sshd"], deadline=60)
        try:
            assert shared.run("echo ready") == "ready\n"
        finally:
            before.run(["sed", "-i", "$ d", "/etc/pam.d/sshd"], deadline=60)
