"""The notes of creates without a reply, in a file that survives a run."""

from pathlib import Path

from blocks.journals import FileJournal
from tests.domain.clocks import JumpingClock


def test_a_later_process_finds_what_has_no_reply(tmp_path: Path) -> None:
    clock, file = JumpingClock(), tmp_path / "locks" / "demo.creating"
    before = FileJournal(file, clock)
    before.begin("create_vpc k8s.demo.router")
    before.begin("allocate_eip k8s.demo.eip")
    before.end("allocate_eip k8s.demo.eip")
    clock.sleep(12)
    assert FileJournal(file, clock).ages() == {"create_vpc k8s.demo.router": 12}


def test_nothing_is_left_when_every_call_has_its_reply(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "demo.creating", JumpingClock())
    journal.begin("create_vpc k8s.demo.router")
    journal.end("create_vpc k8s.demo.router")
    journal.end("create_vpc another")
    assert journal.ages() == {}
    assert list(tmp_path.iterdir()) == []


def test_after_a_boot_a_note_is_as_old_as_the_boot(tmp_path: Path) -> None:
    clock, file = JumpingClock(), tmp_path / "demo.creating"
    clock.sleep(5000)
    FileJournal(file, clock).begin("create_vpc k8s.demo.router")
    booted = JumpingClock()
    booted.sleep(30)
    assert FileJournal(file, booted).ages() == {"create_vpc k8s.demo.router": 30}


def test_a_file_that_was_cut_off_notes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "demo.creating"
    file.write_text('{"create_vpc k8s.de')
    assert FileJournal(file, JumpingClock()).ages() == {}
