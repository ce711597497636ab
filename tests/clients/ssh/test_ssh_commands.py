"""Running commands: both streams, exit codes, deadlines, lost connections."""

import asyncio
import threading

import pytest

from clients.ssh import SshMachine
from clients.ssh.streams import Stream
from domain.kernel.errors import TemporaryError, WaitTimedOut
from tests.clients.ssh.ssh_servers import Loop, Process, Server


def test_both_streams_and_the_exit_code_come_back(server: Server) -> None:
    with SshMachine.connect(server.target()) as machine:
        output = machine.run(["bash", "-c", "echo out; echo err >&2; exit 3"], deadline=30)
    assert (output.stdout, output.stderr, output.exit_code) == ("out\n", "err\n", 3)


def test_arguments_arrive_as_they_were_given(server: Server) -> None:
    words = ["a b", "$HOME", "it's", '"', "*", "", "新"]
    with SshMachine.connect(server.target()) as machine:
        output = machine.run(["printf", "%s|", *words], deadline=30)
    assert output.stdout == "".join(f"{word}|" for word in words)


def test_input_reaches_the_command_whole(server: Server) -> None:
    with SshMachine.connect(server.target()) as machine:
        output = machine.run(["wc", "-c"], deadline=20, stdin=b"x" * 5_000_000)
    assert output.stdout.strip() == "5000000"


def test_a_command_need_not_read_its_input(server: Server) -> None:
    async def leave(process: Process) -> None:
        process.exit(0)

    server.programs["leave"] = leave
    with SshMachine.connect(server.target()) as machine:
        assert machine.run(["leave"], deadline=30, stdin=b"x" * 5_000_000).exit_code == 0


def test_megabytes_on_both_streams_do_not_block(server: Server) -> None:
    script = "head -c 6000000 /dev/zero | tr '\\0' a; head -c 6000000 /dev/zero | tr '\\0' b >&2"
    with SshMachine.connect(server.target()) as machine:
        output = machine.run(["bash", "-c", script], deadline=60)
    assert output.stdout == "a" * 6_000_000
    assert output.stderr == "b" * 6_000_000


def test_lines_are_passed_on_as_they_arrive(server: Server, loop: Loop) -> None:
    go_on = asyncio.Event()

    async def speak(process: Process) -> None:
        process.stdout.write(b"first\n")
        await go_on.wait()  # set only after the first line was passed on
        process.stderr.write(b"second\n")
        process.stdout.write(b"third, without an end")
        process.exit(0)

    server.programs["speak"] = speak
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        loop.loop.call_soon_threadsafe(go_on.set)

    with SshMachine.connect(server.target()) as machine:
        machine.run(["speak"], deadline=30, on_line=on_line)
    assert lines[0] == "first"
    assert sorted(lines[1:]) == ["second", "third, without an end"]


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        pytest.param(["新".encode()[:1], "新".encode()[1:] + b"\n"], ["新"], id="split-character"),
        pytest.param([b"a\r", b"\nb\n"], ["a", "b"], id="split-line-end"),
        pytest.param([b"10%\r", b"20%\r", b"30%\n"], ["10%", "20%", "30%"], id="progress-bar"),
        pytest.param([b"a\n\nb"], ["a", "", "b"], id="blank-line-and-no-end"),
        pytest.param([b"\xff\n"], ["\N{REPLACEMENT CHARACTER}"], id="no-utf8"),
        pytest.param([b"\xe6"], ["\N{REPLACEMENT CHARACTER}"], id="half-a-character-at-the-end"),
    ],
)
def test_text_is_put_together_from_any_pieces(chunks: list[bytes], lines: list[str]) -> None:
    seen: list[str] = []
    stream = Stream(seen.append)
    for chunk in chunks:
        stream.feed(chunk)
    stream.feed(b"", final=True)
    assert seen == lines
    assert stream.text == b"".join(chunks).decode(errors="replace")


def test_a_command_past_its_deadline_is_cut_off(server: Server) -> None:
    cut_off = threading.Event()

    async def never_end(process: Process) -> None:
        await process.channel.wait_closed()
        cut_off.set()

    server.programs["never-end"] = never_end
    with SshMachine.connect(server.target()) as machine:
        with pytest.raises(WaitTimedOut, match="never-end"):
            machine.run(["never-end"], deadline=0.3)
        assert cut_off.wait(10)
        assert machine.run(["echo", "still", "here"], deadline=30).exit_code == 0


def test_a_dropped_connection_is_temporary(server: Server, loop: Loop) -> None:
    async def die(process: Process) -> None:
        process.stdout.write(b"begun\n")

    server.programs["die"] = die
    with (
        SshMachine.connect(server.target()) as machine,
        pytest.raises(TemporaryError, match="without an exit code"),
    ):
        machine.run(["die"], deadline=30, on_line=lambda _: loop.drop_connections(server))


def test_a_command_on_a_lost_connection_is_temporary(server: Server, loop: Loop) -> None:
    with SshMachine.connect(server.target()) as machine:
        loop.drop_connections(server)
        with pytest.raises(TemporaryError):
            machine.run(["true"], deadline=30)


def test_a_command_ended_by_a_signal_has_no_exit_code(server: Server) -> None:
    async def be_killed(process: Process) -> None:
        process.exit_with_signal("KILL")

    server.programs["be-killed"] = be_killed
    with (
        SshMachine.connect(server.target()) as machine,
        pytest.raises(TemporaryError, match="signal"),
    ):
        machine.run(["be-killed"], deadline=30)


def test_commands_of_another_user_run_as_root(server: Server) -> None:
    async def sudo(process: Process) -> None:
        process.exit(0)

    server.programs["sudo"] = sudo
    with SshMachine.connect(server.target(user="ubuntu")) as machine:
        machine.run(["kubeadm", "init", "--config", "a b"], deadline=30)
    assert server.commands == ["sudo -n -- kubeadm init --config 'a b'"]
