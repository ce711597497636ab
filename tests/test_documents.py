"""The documents agree with the code: commands with their flags, files, variables, permissions."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from cyclopts import App

from deployments.console import COMMANDS as SUB_COMMANDS
from domain.spec.alarms import BUILT_IN as ALARMS
from domain.spec.cluster import ClusterSpec, parse_spec
from domain.spec.metrics import BUILT_IN as METRICS
from words import without_flag

pytestmark = pytest.mark.pure

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (
    "README.md",
    "README.zh-CN.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *(f"docs/{f.name}" for f in (ROOT / "docs").glob("*.md")),
)
COMMANDS = sorted(file.stem for file in (ROOT / "flows").glob("[!_]*.py"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MAKE = re.compile(r"(?:^\$ |`)make ([a-z]+)", re.MULTILINE)


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(language: str) -> list[tuple[str, str]]:
    """Every fenced block of a language, with the document that it is in."""
    return [
        (document, text)
        for document in DOCUMENTS
        for kind, text in FENCE.findall(read(document))
        if kind == language
    ]


def typed_lines() -> Iterator[str]:
    """What readers are told to type into a shell, without the comments behind it."""
    for _, text in blocks("console"):
        for line in re.findall(r"^\$ (.*)$", text, re.MULTILINE):
            yield re.sub(r"\s+#\s.*$", "", line)
    for document in DOCUMENTS:
        yield from re.findall(
            r"`(python -m (?:flows|localcloud|deployments)[^`<…]*)`", read(document)
        )


def command_lines() -> list[str]:
    """A module and its words wherever one of our commands stands."""
    by_module = {
        line.partition("python -m ")[2].rstrip('")')
        for line in typed_lines()
        if re.search(r"python -m (flows\.|localcloud|deployments\.)", line)
    }
    by_name = [line.split() for line in typed_lines() if line.startswith("qingcloud-k8s ")]
    assert by_name
    return sorted(
        by_module | {" ".join([SUB_COMMANDS[name].module, *words]) for _, name, *words in by_name}
    )


@cache
def app_of(module: str) -> App:
    room, _, name = module.rpartition(".")
    parsers = {"flows": "flows._cli.flags.", "deployments": "deployments._flags."}
    found = import_module(parsers[room] + name if room else f"{module}.__main__").app
    assert isinstance(found, App)
    return found


@pytest.mark.parametrize("line", command_lines())
def test_a_command_in_the_documents_is_understood(line: str) -> None:
    module, *words = shlex.split(line)
    app_of(module).parse_args(without_flag(words)[0], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_a_readme_lists_every_command_with_its_own_flags(readme: str) -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| [^|]* \|([^|]*)\|$", read(readme), re.MULTILINE)
    modules = [(name.replace("-", "_"), cell) for name, cell in rows]
    assert sorted(name for name, _ in modules) == COMMANDS
    for name, cell in modules:
        known = {
            flag
            for argument in app_of(f"flows.{name}").assemble_argument_collection()
            for flag in argument.names
        }
        assert set(re.findall(r"--[a-z-]+", cell)) <= known, name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_make_target_in_the_documents_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    assert set(MAKE.findall(read(document))) <= targets


@pytest.mark.parametrize(("document", "text"), blocks("yaml"))
def test_a_yaml_example_describes_a_cluster(document: str, text: str) -> None:
    assert isinstance(parse_spec(yaml.safe_load(text)), ClusterSpec)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_link_in_the_documents_leads_somewhere(document: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", read(document)):
        path, _, heading = target.partition("#")
        file = (ROOT / document).parent / path if path else ROOT / document
        assert file.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {
                re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in headings
            }, target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_file_of_ours_in_the_documents_exists(document: str) -> None:
    rooms = "flows|tasks|blocks|clients|domain|deployments|installers|localcloud|tests|docs"
    for path in re.findall(rf"`((?:{rooms})/[\w./-]+\.\w+)`", read(document)):
        assert (ROOT / path).exists(), path


def test_the_reference_lists_every_variable_that_is_read() -> None:
    sources = [ROOT / "blocks/settings.py", *(ROOT / "localcloud").rglob("*.py")]
    named = re.compile(r"\"((?:QINGCLOUD|LOCALCLOUD|SAMPLES|BACKUP|ADDONS|KUBEBUILDER)_[A-Z_]+)\"")
    read_there = {name for file in sources for name in named.findall(file.read_text())}
    listed = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", read("docs/reference.md")))
    assert read_there
    proxies = {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE"}  # of Python's library
    others = proxies | {
        "PIP_INDEX_URL",
        "PREFECT_API_URL",
        "PREFECT_API_AUTH_STRING",
        "LC_ALL",
        "LC_MESSAGES",
    }  # pip's, Prefect's, the system's
    assert listed - others == read_there


def test_the_reference_lists_exactly_the_permissions_that_are_needed() -> None:
    verbs = (
        "Describe|Create|Delete|Add|Modify|Update|Apply|Attach|Run|Terminate|Join|Leave|Allocate"
    )
    action = re.compile(rf"\b((?:{verbs}|Release|Get|Upload)[A-Z][A-Za-z]+)\b")
    called = {
        name
        for file in (ROOT / "clients/qingcloud").glob("*.py")
        for text in re.findall(r"\"([A-Za-z]+)\"", file.read_text())
        for name in action.findall(text)
    }
    permissions = read("docs/reference.md").partition("## Permissions")[2].partition("\n## ")[0]
    assert called
    assert set(action.findall(permissions)) == called


def test_the_reference_lists_every_metric_and_every_alarm() -> None:
    text = read("docs/reference.md")
    metrics = text.partition("## Metrics")[2].partition("\n## ")[0]
    alarms = text.partition("## Built-in alarms")[2]
    assert set(
        re.findall(r"`([A-Za-z]+)`(?=[^|]*\|[^|]*\| (?:machine|group|cluster) \|)", metrics)
    ) == set(METRICS)
    assert re.findall(r"^\| `([a-z-]+)`", alarms, re.MULTILINE) == [rule.name for rule in ALARMS]


def test_the_reference_names_the_usual_ports() -> None:
    access = ClusterSpec().access
    listed = re.findall(
        r"^\| (\d+) \|.*`access\.(\w+)` \|$", read("docs/reference.md"), re.MULTILINE
    )
    assert {name: int(port) for port, name in listed} == {
        name: getattr(access, name) for name in ("api_port", "ui_port", "ssh_port")
    }
