"""The wheel, installed as a user does, in a folder whose modules have the names of our rooms."""

import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.acceptance.workplace import (
    ROOT,
    Done,
    Workplace,
    ask,
    clean_environment,
    free_port,
    prefect_server,
)

ROOMS = (
    "flows",
    "tasks",
    "blocks",
    "clients",
    "domain",
    "words",
    "deployments",
    "installers",
    "localcloud",
)
BUILT_FROM = (*ROOMS, "pyproject.toml", "README.md", "LICENSE")
BLOCK_TYPES = {"qingcloud-account", "cluster-credentials", "monitoring-database", "dingtalk-robot"}


@dataclass
class Installed:
    """A user's machine with the package installed from its wheel, and nothing of the checkout."""

    console: Workplace
    python: Workplace

    @property
    def packages(self) -> Path:
        return next(Path(self.python.program[0]).parents[1].glob("lib/python*/site-packages"))

    def in_folder(self, folder: Path) -> "Installed":
        return Installed(replace(self.console, folder=folder), replace(self.python, folder=folder))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy without git, as from a downloaded archive."""
    source = tmp_path_factory.mktemp("source")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", source / "dist", source)
    return next((source / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The wheel in an environment of its own, with a server and a local cloud from there."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip("--python", python, "install", "--no-deps", wheel)
    # Everything that it depends on is found where the tests have it; no registry is asked.
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    home, empty = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("empty")
    environment = clean_environment(home)
    environment.pop("PYTHONPATH", None)
    log = home / "prefect.log"
    with prefect_server(environment, free_port(), log, str(python)) as url:
        environment["PREFECT_API_URL"] = url
        found = Installed(
            Workplace(home, environment, (str(folder / "bin" / "qingcloud-k8s"),), empty),
            Workplace(home, environment, (str(python), "-m"), empty),
        )
        done = found.console.run("local", "up", "--profile", "instant")
        assert done.code == 0, done.err
        yield found
        assert found.console.run("local", "down").code == 0


def pip(*words: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--no-input", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def put_modules(folder: Path, *names: str) -> Path:
    """Fill a folder with files that end whatever imports them."""
    for name in names:
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("raise RuntimeError(__file__)\n")
    return folder


def tracked_files() -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *ROOMS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return set(listed.stdout.split())


def refused(place: Installed, *words: str, **more: str) -> str:
    """The sentence of a `provision` that is refused with exit code 2 and changes nothing."""
    before = place.python.changes()
    done = place.console.run("provision", *words, **more)
    assert (done.code, done.out) == (2, ""), done.err
    assert place.python.changes() == before
    return done.sentence


def test_the_wheel_holds_every_file_of_the_rooms(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == tracked_files()


def test_a_new_server_offers_our_kinds_of_blocks_by_itself(installed: Installed) -> None:
    found = ask(installed.console, "block_types/filter")
    slugs = {kind["slug"] for kind in found}
    assert slugs >= BLOCK_TYPES


@pytest.mark.timeout(300)
def test_a_cluster_is_created_and_deleted_beside_a_user_s_own_modules(
    installed: Installed, tmp_path: Path
) -> None:
    names = [f"{room}.py" for room in ROOMS if room != "domain"]
    place = installed.in_folder(put_modules(tmp_path, *names, "domain/__init__.py"))
    done = place.console.run("provision", "--nodes", "1", "--json")
    assert done.json["nodes"], done.err
    assert place.console.run("deploy", "--account", "local").code == 0
    assert run_with_own_worker(place, "monitor/demo") == "COMPLETED"
    done = place.console.run("teardown", "--yes")
    assert done.code == 0, done.err
    assert installed.python.cloud()["resources"] == {}


def run_with_own_worker(place: Installed, deployment: str) -> str:
    """Run a deployment with a worker that was started in the user's folder; its last state."""
    prefect = replace(place.python, program=(place.python.program[0], "-P", "-m", "prefect"))
    assert prefect.run("deployment", "schedule", "clear", "-y", deployment).code == 0
    found = ask(prefect, f"deployments/name/{deployment}", verb="GET")
    run = ask(prefect, f"deployments/{found['id']}/create_flow_run")["id"]
    done = prefect.run("worker", "start", "--pool", "qingcloud", "--run-once")
    assert done.code == 0, done.err
    state = str(ask(prefect, f"flow_runs/{run}", verb="GET")["state"]["type"])
    assert state == "COMPLETED", done.out + done.err
    return state


def test_python_m_ignores_modules_in_the_current_folder(
    installed: Installed, tmp_path: Path
) -> None:
    names = ("tasks.py", "blocks.py", "domain/__init__.py", "random.py")
    place = installed.in_folder(put_modules(tmp_path, *names))
    done = place.python.run("flows.provision", "--plan", "--json")
    assert done.json["items"], done.err


@pytest.mark.parametrize("hidden", ["tasks.py", "flows.py", "domain/__init__.py"])
def test_a_module_that_hides_ours_is_named_and_nothing_is_bought(
    installed: Installed, tmp_path: Path, hidden: str
) -> None:
    put_modules(tmp_path, hidden)
    if hidden == "flows.py":
        (tmp_path / hidden).write_text("")
    sentence = refused(installed, PYTHONPATH=str(tmp_path))
    assert str(tmp_path / hidden.removesuffix("/__init__.py")) in sentence


@pytest.mark.parametrize("name", ["lib/base.sh", "manifests/flannel.yaml"])
def test_a_wheel_with_a_missing_file_is_refused_before_anything_is_bought(
    installed: Installed, name: str
) -> None:
    file = installed.packages / "installers" / name
    content = file.read_bytes()
    file.unlink()
    try:
        sentence = refused(installed)
    finally:
        file.write_bytes(content)
    assert str(file) in sentence
    assert "install the package again" in sentence


def test_the_console_command_lists_suggests_and_refuses(installed: Installed) -> None:
    def typed(*words: str) -> Done:
        return installed.console.run(*words)

    listed = typed("--help")
    assert listed.code == 0
    for name in ("provision", "kubeconfig", "server", "deploy", "worker", "local"):
        assert f" {name} " in listed.out
    wrong = typed("provison")
    assert wrong.code == 2
    assert 'Did you mean "provision"?' in wrong.sentence
    assert "--nodes" in typed("provision", "--nodez", "3").sentence
    assert "python -m" not in typed("scale", "--help").out.splitlines()[0]
    assert typed("--version").out == "0.1.0\n"
