"""`python -m localcloud fault …`: inject, list and clear faults."""

import json
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any

import yaml
from cyclopts import App, Parameter

from localcloud import process
from localcloud.home import find_home
from localcloud.iaas.faults.fault import BadFault, Fault
from localcloud.iaas.faults.kinds import KINDS
from localcloud.iaas.faults.requested import read_requested
from words import translate

EXAMPLES = """
Examples:

    fault error --action RunInstances --code 5100 --times 2
    fault lost-reply --action 'Create*' --share 0.1 --seed 7
    fault stock-out --type 'e2.*'
    fault not-ready --machine '*k8s-node' --times 1 --seconds 60
    fault load faults.yaml

A file holds a list: - {kind: error, action: RunInstances, code: 5100}
"""

Json = Annotated[bool, Parameter(name="--json", negative="")]

app = App(
    name="fault",
    help_epilogue=translate(EXAMPLES),
    help_format="plaintext",
    version_flags=[],
)


def ask(verb: str, path: str = "faults", document: Any = None) -> dict[str, Any]:
    return process.ask(process.read_running(find_home()), verb, path, document=document)


def echo(text: str) -> None:
    sys.stdout.write(f"{translate(text)}\n")


def add(faults: list[Fault]) -> None:
    answer = ask("POST", document=[fault.to_document() for fault in faults])
    for fault_id, fault in zip(answer["faults"], faults, strict=True):
        echo(f"{fault_id}  {describe(fault.to_document())}")


def describe(document: dict[str, Any]) -> str:
    """Return a fault in one line: its kind, and the fields that differ from the default."""
    kind = KINDS[document["kind"]]
    usual = {field.name: field.default for field in fields(kind)}
    changed = [f"{n}={v}" for n, v in document.items() if n in usual and v != usual[n]]
    return " ".join([document["kind"], *changed])


def _command_of(kind: type[Fault]) -> Callable[..., None]:
    def command(fault: Fault) -> None:
        try:
            add([read_requested(fault.to_document())])
        except BadFault as error:
            raise process.Refused(str(error)) from error

    command.__doc__ = (kind.__doc__ or "").partition("\n\nAttributes:")[0]
    command.__annotations__ = {"fault": Annotated[kind, Parameter(name="*")], "return": None}
    if all(field.default is not MISSING for field in fields(kind)):
        command.__defaults__ = (kind(),)
    return command


for _name, _kind in KINDS.items():
    app.command(_command_of(_kind), name=_name)


@app.command
def load(file: Path) -> None:
    """Put all faults of a YAML file in force, or none if one of them is wrong.

    Args:
        file: A list of mappings, each with a `kind` and the options of that command.
    """
    try:
        documents = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(documents, list):
            raise BadFault("it should hold a list of faults")
        faults = [read_requested(document) for document in documents]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, BadFault) as error:
        raise process.Refused(f"{file}: {error}") from error
    add(faults)


@app.command(name="list")
def list_faults(*, as_json: Json = False) -> None:
    """Show the faults in force, and how often each has struck."""
    found = ask("GET")["faults"]
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    lines = [f"{one['id']}  {describe(one)}  (struck {one['strikes']}×)" for one in found]
    echo("\n".join(lines) or "Nothing fails on purpose.")


@app.command
def clear(fault_id: str = "", /) -> None:
    """Clear one fault, or all; failed components recover.

    Args:
        fault_id: As `list` shows it; all faults when not given.
    """
    cleared = ask("DELETE", f"faults/{fault_id}" if fault_id else "faults")["cleared"]
    echo(f"Cleared: {', '.join(cleared)}." if cleared else "Nothing failed on purpose.")
