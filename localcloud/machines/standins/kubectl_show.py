"""kubectl's commands that read: get, wait, rollout status."""

import json
import re
from datetime import timedelta
from typing import Any

import yaml

from localcloud.kubernetes.client import ApiFailure
from localcloud.kubernetes.objects.kinds import DAEMON_SET, DEPLOYMENT, Kind
from localcloud.kubernetes.objects.store import Stored
from localcloud.kubernetes.printing.tables import table
from localcloud.machines.standins.call import Failed
from localcloud.machines.standins.kubectl_target import Target, label_of

_NOT_FOUND = 404
_PAUSE = 0.2  # seconds between two checks
_DEFAULT_TIMEOUT = timedelta(seconds=30)


async def get(target: Target) -> int:
    """`get --raw PATH`, `get KIND`, `get KIND NAME…`, as names, json, yaml, jsonpath or a table."""
    if raw := target.taken.value("--raw"):
        await target.call.write("out", await _raw(target, raw))
        return 0
    api = target.connect()
    for kind, name in target.named():
        selector = target.taken.value("-l", "--selector")
        query = {"labelSelector": selector} if selector else None
        try:
            found = await api.request("GET", target.path(kind, name), query=query)
        except ApiFailure as failure:
            if failure.status == _NOT_FOUND and "--ignore-not-found" in target.taken:
                continue
            raise
        await _print(target, kind, found, is_list=not name)
    return 0


async def _raw(target: Target, path: str) -> str:
    if not path.startswith(("/api/", "/apis/")):
        return await target.fetch(path)
    answer = await target.connect().request("GET", path)
    return answer if isinstance(answer, str) else json.dumps(answer)


async def _print(target: Target, kind: Kind, found: dict[str, Any], *, is_list: bool) -> None:
    items: list[dict[str, Any]] = found["items"] if is_list else [found]
    output = target.output
    if output == "name":
        lines = [label_of(kind, item["metadata"]["name"]) for item in items]
        await target.call.write("out", "".join(f"{line}\n" for line in lines))
    elif output == "json":
        await target.call.out(json.dumps(found, indent=4))
    elif output == "yaml":
        await target.call.out(yaml.safe_dump(found, sort_keys=False))
    elif output.startswith("jsonpath="):
        await target.call.write("out", _jsonpath(found, output.removeprefix("jsonpath=")))
    elif output in ("", "wide"):
        await _print_table(target, kind, items)
    else:
        raise target.call.unknown(f"-o {output}")


async def _print_table(target: Target, kind: Kind, items: list[dict[str, Any]]) -> None:
    if not items:
        where = f" in {target.namespace} namespace" if kind.namespaced else ""
        await target.call.err(f"No resources found{where}.")
        return
    now = target.call.context.shared.clock.now()
    made = table(kind, [Stored(item, 0) for item in items], now, metadata={}, include="None")
    shown = [
        number
        for number, column in enumerate(made["columnDefinitions"])
        if column["priority"] == 0 or target.output == "wide"
    ]
    rows = [[str(row["cells"][number]) for number in shown] for row in made["rows"]]
    titles = [made["columnDefinitions"][number]["name"].upper() for number in shown]
    if target.everywhere and kind.namespaced:
        titles.insert(0, "NAMESPACE")
        for row, item in zip(rows, items, strict=True):
            row.insert(0, item["metadata"]["namespace"])
    lines = rows if "--no-headers" in target.taken else [titles, *rows]
    widths = [max(len(line[number]) for line in lines) for number in range(len(titles))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        await target.call.out("   ".join(cells).rstrip())


def _jsonpath(document: Any, template: str) -> str:
    """Fill a template whose braces hold plain paths: `{.status.phase}`, `{.items[*].kind}`."""

    def fill(match: re.Match[str]) -> str:
        values = [document]
        for step in re.findall(r"\.([\w-]+)|\[(\d+|\*)\]", match[1]):
            values = [found for value in values for found in _step(value, *step)]
        return " ".join(value if isinstance(value, str) else json.dumps(value) for value in values)

    if re.search(r"\{(?!(?:\.[\w-]+|\[(?:\d+|\*)\])+\})", template):
        raise Failed(f"error: the local cloud's kubectl does not know the jsonpath {template}")
    return re.sub(r"\{([^}]*)\}", fill, template)


def _step(value: Any, name: str, index: str) -> list[Any]:
    if name:
        return [value[name]] if isinstance(value, dict) and name in value else []
    if not isinstance(value, list):
        return []
    return value if index == "*" else value[int(index) : int(index) + 1]


async def rollout(target: Target) -> int:
    """`rollout status deployment/NAME` or `daemonset/NAME`, until it is complete."""
    action, *target.words = target.words or [""]
    if action != "status":
        raise target.call.unknown(f"rollout {action}")
    api, [(kind, name)] = target.connect(), target.named()
    if kind not in (DEPLOYMENT, DAEMON_SET):
        raise Failed(f"error: no status viewer has been implemented for {kind.kind}")
    deadline = target.call.context.shared.clock.now() + _timeout(target, timedelta(days=1))
    reported = ""
    while True:
        found = await api.request("GET", target.path(kind, name))
        waiting = _is_waiting(kind, found)
        if not waiting:
            await target.call.out(f'{kind.singular} "{name}" successfully rolled out')
            return 0
        if waiting != reported:
            await target.call.out(
                f'Waiting for {kind.singular} "{name}" rollout to finish: {waiting}'
            )
            reported = waiting
        await _pause(target, deadline, "error: timed out waiting for the condition")


def _is_waiting(kind: Kind, found: dict[str, Any]) -> str:
    """Return what the rollout waits for, or an empty text."""
    status: dict[str, Any] = found.get("status") or {}
    if status.get("observedGeneration", 0) < found["metadata"].get("generation", 0):
        return "waiting for the spec update to be observed..."
    if kind is DAEMON_SET:
        wanted = status.get("desiredNumberScheduled", 0)
        updated, ready = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    else:
        wanted = found["spec"].get("replicas", 1)
        updated, ready = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
        if status.get("replicas", 0) > updated and updated >= wanted:
            return f"{status['replicas'] - updated} old replicas are pending termination..."
    if updated < wanted:
        return f"{updated} out of {wanted} new replicas have been updated..."
    return "" if ready >= wanted else f"{ready} of {wanted} updated replicas are available..."


async def wait(target: Target) -> int:
    """`wait --for=condition=TYPE KIND/NAME`."""
    condition = target.taken.value("--for")
    if not condition.startswith("condition="):
        raise target.call.unknown(f"--for {condition}")
    wanted = condition.removeprefix("condition=").lower()
    api = target.connect()
    deadline = target.call.context.shared.clock.now() + _timeout(target, _DEFAULT_TIMEOUT)
    for kind, name in target.named():
        while True:
            found = await api.request("GET", target.path(kind, name))
            conditions = (found.get("status") or {}).get("conditions") or ()
            if any(c["type"].lower() == wanted and c["status"] == "True" for c in conditions):
                break
            text = f"error: timed out waiting for the condition on {kind.plural}/{name}"
            await _pause(target, deadline, text)
        await target.call.out(f"{label_of(kind, name)} condition met")
    return 0


def _timeout(target: Target, default: timedelta) -> timedelta:
    text = target.taken.value("--timeout")
    if not text:
        return default
    match = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", text)
    if match is None:
        raise Failed(f'error: invalid argument "{text}" for "--timeout" flag')
    return timedelta(minutes=int(match[1] or 0), seconds=int(match[2] or 0))


async def _pause(target: Target, deadline: Any, text: str) -> None:
    clock = target.call.context.shared.clock
    if clock.now() >= deadline:
        raise Failed(text)
    await clock.sleep(_PAUSE)
