"""The SSH server of a machine, used by real clients."""

import asyncio
import os
import signal
import threading
from pathlib import Path

import asyncssh
import paramiko
import pytest

from tests.localcloud.machines.machine_lab import (
    LOGIN,
    MASTER,
    NODE,
    OUTSIDE,
    VPC,
    make_machine_spec,
    open_lab,
    run,
)


def test_both_streams_and_the_exit_code_arrive(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            done = await lab.run("echo to out; echo to err >&2; exit 7")
            assert (done.stdout, done.stderr, done.exit_status) == ("to out\n", "to err\n", 7)

    run(story())


def test_standard_input_reaches_the_command_to_its_end(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            text = "line\n" * 50_000
            done = await lab.run("wc -c; cat", stdin=text)
            assert str(done.stdout).split()[0] == str(len(text))

    run(story())


def test_a_command_starts_in_the_home_of_the_user(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec(user="ubuntu"))
            done = await lab.run('pwd; id -u; sudo -n -- id -u; echo "$HOME"', user="ubuntu")
            home = str(lab.disk("i-one") / "home/ubuntu")
            assert str(done.stdout).split() == [home, "1000", "0", home]

    run(story())


@pytest.mark.parametrize(
    ("user", "key"),
    [
        pytest.param("root", asyncssh.generate_private_key("ssh-ed25519"), id="another key"),
        pytest.param("nobody", LOGIN, id="another user"),
        pytest.param("../root", LOGIN, id="a path to root's keys"),
    ],
)
def test_only_the_key_of_the_login_user_opens(
    tmp_path: Path, user: str, key: asyncssh.SSHKey
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            with pytest.raises(asyncssh.PermissionDenied):
                await lab.connect(user=user, key=key)

    run(story())


def test_a_new_host_key_counts_for_connections_after_the_restart_of_ssh(tmp_path: Path) -> None:
    change = (
        'cd "$SYSROOT/etc/ssh" && rm ssh_host_ed25519_key* && '
        "ssh-keygen -q -t ed25519 -N '' -C new -f ssh_host_ed25519_key && cat *.pub"
    )

    async def host_key(lab: object) -> str:
        connection = await lab.connect()  # type: ignore[attr-defined]
        return connection.get_server_host_key().export_public_key().decode().split()[1]

    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            old = await host_key(lab)
            connection = await lab.connect()
            made = str((await connection.run(change)).stdout).split()[1]
            assert await host_key(lab) == old
            assert (await connection.run("systemctl restart ssh")).exit_status == 0
            assert await host_key(lab) == made != old
            assert (await connection.run("echo still here")).exit_status == 0

    run(story())


def test_files_keep_their_modes_and_stay_on_the_disk(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            async with (await lab.connect()).start_sftp_client() as files:
                attributes = asyncssh.SFTPAttrs(permissions=0o600)
                async with files.open("/etc/secret", "w", attributes) as file:
                    await file.write("secret")
                await files.makedirs("notes")
                async with files.open("notes/hello", "w") as file:
                    await file.write("hello")
                assert await files.realpath(".") == "/root"
                assert (await files.stat("/root/notes/hello")).size == 5
            secret = lab.disk("i-one") / "etc/secret"
            assert secret.read_text() == "secret"
            assert secret.stat().st_mode & 0o777 == 0o600

    run(story())


@pytest.mark.parametrize("path", ["/../../../outside", "/way-out/outside", "/link-out"])
def test_no_path_over_sftp_leads_out_of_the_disk(tmp_path: Path, path: str) -> None:
    async def story() -> None:
        async with open_lab(tmp_path / "cloud") as lab:
            await lab.boot(make_machine_spec())
            outside = tmp_path / "outside"
            outside.write_text("untouched")
            disk = lab.disk("i-one")
            (disk / "way-out").symlink_to(tmp_path)
            (disk / "link-out").symlink_to(outside)
            async with (await lab.connect()).start_sftp_client() as files:
                try:
                    async with files.open(path, "w") as file:
                        await file.write("touched")
                except asyncssh.SFTPError:
                    pass
            assert outside.read_text() == "untouched"

    run(story())


def test_links_out_of_the_disk_show_nothing_over_sftp(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path / "cloud") as lab:
            await lab.boot(make_machine_spec())
            (tmp_path / "outside").write_text("secret")
            (lab.disk("i-one") / "way-out").symlink_to(tmp_path)
            (lab.disk("i-one") / "way-in").symlink_to(lab.disk("i-one") / "etc")
            async with (await lab.connect()).start_sftp_client() as files:
                assert "hostname" in await files.listdir("/way-in")
                assert (await files.lstat("/way-out")).size
                with pytest.raises(asyncssh.SFTPPermissionDenied):
                    await files.listdir("/way-out")
                with pytest.raises(asyncssh.SFTPPermissionDenied):
                    await files.stat("/way-out")

    run(story())


def test_a_command_with_a_zero_byte_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            done = await asyncio.wait_for(lab.run("echo \0"), 10)
            assert done.exit_status == 126
            assert "null byte" in str(done.stderr)

    run(story())


def test_a_machine_forwards_to_its_private_network(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec("i-one", MASTER))
            await lab.boot(make_machine_spec("i-two", NODE))
            jump = await lab.connect(MASTER)
            inner = await jump.connect_ssh(
                NODE, username="root", client_keys=[LOGIN], known_hosts=None, config=None
            )
            async with inner:
                assert str((await inner.run("hostname")).stdout) == "i-two\n"

    run(story())


@pytest.mark.parametrize(
    "address", ["192.168.0.99", "10.1.1.1", "example.com"], ids=["empty", "foreign", "unknown"]
)
def test_nothing_but_the_own_network_can_be_reached(tmp_path: Path, address: str) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            connection = await lab.connect()
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.open_connection(address, 22)

    run(story())


def test_a_rule_that_drops_packets_counts_for_the_jump_too(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec("i-one", MASTER))
            await lab.boot(make_machine_spec("i-two", NODE))
            lab.fabric.allow = lambda vpc, source, address, port: source == OUTSIDE
            with pytest.raises(asyncssh.ChannelOpenError, match="timed out"):
                await (await lab.connect()).open_connection(NODE, 22)

    run(story())


def test_after_a_disconnect_a_command_ends_at_its_next_line(tmp_path: Path) -> None:
    talking = "echo started; while [[ ! -e go ]]; do :; done; touch silent; echo more; touch after"

    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            machine = await lab.boot(make_machine_spec())
            connection = await lab.connect()
            process = await connection.create_process(talking)
            assert await process.stdout.readline() == "started\n"
            [running] = machine.ssh.processes
            connection.abort()
            await connection.wait_closed()
            (lab.disk("i-one") / "root/go").touch()
            assert await asyncio.wait_for(running.wait(), 20) == -signal.SIGPIPE
            assert (lab.disk("i-one") / "root/silent").exists()
            assert not (lab.disk("i-one") / "root/after").exists()

    run(story())


def test_a_child_that_leaves_the_commands_group_does_not_hold_the_connection(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            done = await asyncio.wait_for(lab.run("setsid sleep 600 & echo $!"), 20)
            os.kill(int(str(done.stdout)), signal.SIGKILL)
            assert done.exit_status == 0

    run(story())


def test_there_is_no_terminal_and_no_password(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            connection = await lab.connect()
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.run("tty", term_type="xterm")
            with pytest.raises(asyncssh.PermissionDenied):
                await asyncssh.connect(
                    "machine",
                    sock=lab.fabric.dial(VPC, OUTSIDE, MASTER, 22),
                    username="root",
                    password="secret",
                    client_keys=None,
                    known_hosts=None,
                    config=None,
                    agent_path=None,
                )

    run(story())


def test_paramiko_finds_what_openssh_would_offer(tmp_path: Path) -> None:
    def send_command(sock: object, answers: list[str]) -> None:
        transport = paramiko.Transport(sock)  # type: ignore[arg-type]
        try:
            transport.start_client(timeout=20)
            key = paramiko.Ed25519Key.from_private_key_file(str(tmp_path / "login"))
            transport.auth_publickey("root", key)
            channel = transport.open_session()
            channel.exec_command("uname -r")
            answers.append(channel.makefile().read().decode())
            answers.append(str(channel.recv_exit_status()))
            files = paramiko.SFTPClient.from_transport(transport)
            assert files is not None
            with files.open("/etc/greeting", "w") as file:
                file.write("hello")
            files.chmod("/etc/greeting", 0o640)
            answers.append(oct(files.stat("/etc/greeting").st_mode or 0))
        finally:
            transport.close()

    async def story() -> None:
        async with open_lab(tmp_path / "cloud") as lab:
            await lab.boot(make_machine_spec())
            LOGIN.write_private_key(tmp_path / "login")
            sock = lab.fabric.dial(VPC, OUTSIDE, MASTER, 22)
            sock.setblocking(True)
            answers: list[str] = []
            thread = threading.Thread(target=send_command, args=(sock, answers))
            thread.start()
            while thread.is_alive():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert answers == ["6.8.0-84-generic\n", "0", "0o100640"]

    run(story())
