"""Static checks of the installers' text."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from localcloud.machines import repositories

INSTALLERS = Path(__file__).resolve().parents[2] / "installers"
PROGRAMS = [INSTALLERS / "f2cadm", INSTALLERS / "docker"]
SCRIPTS = sorted([*INSTALLERS.glob("*.sh"), *INSTALLERS.glob("lib/*.sh"), *PROGRAMS])
ENTRANCES = sorted(INSTALLERS.glob("*.sh"))

_ABSOLUTE = re.compile(
    r"(?<![\w}\]:/.$*@-])/(?:bin|boot|dev|etc|home|lib|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)\b"
)
_HEREDOC = re.compile(r"<<-?'?(\w+)'?[^\n]*\n.*?\n\1\n", re.DOTALL)


def code_of(script: Path) -> str:
    """Return the script without comments, here-documents, quoted programs, and messages."""
    text = script.read_text()
    text = _HEREDOC.sub("<<HERE\n", text)
    text = re.sub(r"(?m)(^|\s)#.*$", "", text)
    text = re.sub(r"(?<![\w\\])'[^']*'", "''", text)
    return re.sub(r'(die|warn|say|fail|printf) [^\n]*"[^"\n]*"', r"\1", text)


def each(scripts: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("script", scripts, ids=lambda script: script.name)


@each(SCRIPTS)
def test_every_absolute_target_is_below_sysroot(script: Path) -> None:
    found = [line for line in code_of(script).splitlines() if _ABSOLUTE.search(line)]
    assert not [line for line in found if "/dev/null" not in line]


def test_the_check_for_absolute_targets_finds_them() -> None:
    for line in ("touch /etc/hosts", 'x="/usr/bin/kubectl"', "cp a /opt/b", "/bin/true"):
        assert _ABSOLUTE.search(line)
    for line in ('"${SYSROOT}/etc/hosts"', "unix:///run/containerd.sock", '"$d/etc/x"'):
        assert not _ABSOLUTE.search(line)


@each(SCRIPTS)
def test_bash_can_parse_it(script: Path) -> None:
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_reports_nothing() -> None:
    programs = [*ENTRANCES, *PROGRAMS]
    done = subprocess.run(
        ["shellcheck", "-x", "-S", "style", *programs],
        capture_output=True, text=True, cwd=INSTALLERS,
    )  # fmt: skip
    assert done.stdout == ""


@each(ENTRANCES)
def test_the_help_names_every_setting_that_is_read(script: Path) -> None:
    text = script.read_text()
    needed = set(
        re.findall(r"[A-Z][A-Z0-9_]+", " ".join(re.findall(r"need_settings ([^\n;|]+)", text)))
    )
    defaults = set(re.findall(r'"\$\{([A-Z][A-Z0-9_]+):=', text))
    if "machine_defaults" in text:
        machine = (INSTALLERS / "lib/machine.sh").read_text()
        shared = machine[machine.index("machine_defaults()") :]
        defaults |= set(re.findall(r'"\$\{([A-Z][A-Z0-9_]+):=', shared))
    head = text[: text.index("set -Eeuo")]
    documented = set(re.findall(r"(?m)^#   ([A-Z][A-Z0-9_]+) ", head))
    assert documented == needed | defaults


@each(ENTRANCES)
def test_the_help_names_exactly_the_exit_codes_that_can_happen(script: Path) -> None:
    base = (INSTALLERS / "lib/base.sh").read_text()
    numbers = dict(re.findall(r"(E_[A-Z]+)=(\d+)", base))
    text = script.read_text()
    parts = re.search(r"for part in ([a-z ]+); do", text)
    assert parts is not None
    used = {
        name
        for source in [script, *(INSTALLERS / f"lib/{part}.sh" for part in parts[1].split())]
        for name in re.findall(r'"?\$(E_[A-Z]+)', source.read_text())
    }
    codes = text[text.index("# Exit codes:") : text.index("# Worth a retry")]
    documented = {int(one) for one in re.findall(r"\b(\d+) [a-zA-Z]", codes)}
    assert documented == {0, *(int(numbers[name]) for name in used)}


@each(ENTRANCES)
def test_help_is_the_head_of_the_script_and_needs_nothing(script: Path) -> None:
    done = subprocess.run(["bash", script, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith(script.read_text().splitlines()[1].removeprefix("# "))
    assert "Exit codes:" in done.stdout


@each(ENTRANCES)
def test_it_can_be_called_from_its_own_folder(script: Path) -> None:
    done = subprocess.run(
        ["bash", script.name, "--help"], capture_output=True, text=True, cwd=INSTALLERS
    )
    assert (done.returncode, done.stderr) == (0, "")


@each([INSTALLERS / "manifests/flannel.yaml", INSTALLERS / "manifests/kube-ui.yaml"])
def test_manifests_name_no_moving_tag_and_have_only_known_places_to_fill(script: Path) -> None:
    text = script.read_text()
    places = set(re.findall(r"@([A-Z_]+)@", text))
    filled = set(re.findall(r'"([A-Z_]+)=', "".join(path.read_text() for path in ENTRANCES)))
    assert places <= filled
    assert ":latest" not in text
    for place in places:
        text = text.replace(f"@{place}@", "30443")
    assert all(document["kind"] for document in yaml.safe_load_all(text))


def test_only_the_known_signers_are_trusted() -> None:
    text = (INSTALLERS / "lib/machine.sh").read_text()
    signers = re.findall(r"=([0-9A-F]{40})", text)
    known = ("KUBERNETES_SIGNER", "DOCKER_DEB_SIGNER", "DOCKER_RPM_SIGNER")
    assert sorted(signers) == sorted(getattr(repositories, name) for name in known)
