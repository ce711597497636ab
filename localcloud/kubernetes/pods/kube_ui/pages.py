"""The pages of kube-ui: what each reads of the API, and its tables."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

from localcloud.kubernetes.pods.http import ReadApi
from localcloud.kubernetes.pods.kube_ui.html import (
    MOST_ROWS,
    Cell,
    Html,
    Table,
    Words,
    draw,
    draw_controls,
    to_html,
)
from localcloud.kubernetes.pods.kube_ui.rows import (
    KINDS,
    NODES,
    WORKLOADS,
    Kind,
    Object,
    age,
    event_time,
    name_of,
    namespace_of,
    node_row,
)

MOST_EVENTS = 200


class TokenRefused(Exception):
    """The API does not know the user's token."""


@dataclass(frozen=True, slots=True)
class Look:
    """Who looks, and at what: the token, the chosen namespace, the words that are searched."""

    read: ReadApi
    token: str
    words: Words
    namespace: str = ""
    sought: str = ""

    async def get(self, path: str) -> tuple[int, Any]:
        """Read a path of the API. Raises `TokenRefused`."""
        status, found = await self.read(path, self.token)
        if status == 401:
            raise TokenRefused
        return status, found

    async def items(self, path: str) -> Sequence[Object]:
        """The items of a list; none where the API refuses it."""
        status, found = await self.get(path)
        return found.get("items", ()) if status == 200 else ()


async def _cluster(look: Look) -> Html:
    pods = await look.items(KINDS["pods"].path)
    counts = Counter(pod["spec"].get("nodeName", "") for pod in pods if _is_there(pod))

    def row(node: Object) -> Sequence[Cell]:
        return node_row(node, counts)

    return Html(
        _controls(look, await look.items(KINDS["namespaces"].path))
        + await _listed(look, "Nodes", Kind(NODES.path, NODES.columns, row))
        + await _listed(look, "Namespaces", KINDS["namespaces"])
        + await _listed(look, "Events", KINDS["events"])
    )


def _is_there(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


async def _workloads(look: Look) -> Html:
    rows: list[Sequence[Cell]] = []
    for kind in WORKLOADS.values():
        found = await look.items(kind.path)
        rows += [kind.row(one) for one in found if _is_chosen(look, one) and _is_wanted(one)]
    columns = next(iter(WORKLOADS.values())).columns
    return await _with_controls(look, _table(look, "Workloads", columns, rows))


def _is_wanted(item: Object) -> bool:
    """Whether a workload belongs into the list: old ReplicaSets of a Deployment do not."""
    owned = bool(item["metadata"].get("ownerReferences"))
    return not (owned and not item.get("spec", {}).get("replicas", 1))


def _page_of(title: str, kind: str) -> Callable[[Look], Awaitable[Html]]:
    async def page(look: Look) -> Html:
        return await _with_controls(look, await _listed(look, title, KINDS[kind]))

    return page


PAGES: Mapping[str, Callable[[Look], Awaitable[Html]]] = {
    "/": _cluster,
    "/workloads": _workloads,
    "/pods": _page_of("Pods", "pods"),
    "/services": _page_of("Services", "services"),
    "/events": _page_of("Events", "events"),
}


async def _with_controls(look: Look, body: Html) -> Html:
    names = await look.items(KINDS["namespaces"].path)
    return Html(_controls(look, names) + body)


def _controls(look: Look, namespaces: Sequence[Object]) -> Html:
    names = sorted(map(name_of, namespaces))
    return draw_controls(names, look.namespace, look.sought, look.words)


async def _listed(look: Look, title: str, kind: Kind) -> Html:
    """A table of all objects of a kind, or why the API does not show them."""
    status, found = await look.get(kind.path)
    if status != 200:
        return _refused(look, title, status, found)
    items = [one for one in found.get("items", ()) if _is_chosen(look, one)]
    if kind is KINDS["events"]:
        items = sorted(items, key=event_time, reverse=True)
    return _table(look, title, kind.columns, [kind.row(one) for one in items])


def _refused(look: Look, title: str, status: int, found: Any) -> Html:
    reason = found.get("message", "") if isinstance(found, dict) else ""
    told = look.words["The API answers {status}: {reason}"].format(status=status, reason=reason)
    return Html(f'<section><h2>{look.words[title]}</h2><p class="bad">{escape(told)}</p></section>')


def _is_chosen(look: Look, item: Object) -> bool:
    return not look.namespace or namespace_of(item) in ("", look.namespace)


def _table(look: Look, title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Html:
    if words := look.sought.lower().split():
        rows = [row for row in rows if _has_all(row, words)]
    most = MOST_EVENTS if title == "Events" else MOST_ROWS
    return draw(Table(title, columns, rows[:most], max(0, len(rows) - most)), look.words)


def _has_all(row: Sequence[Cell], words: Sequence[str]) -> bool:
    text = " ".join(map(to_html, row)).lower()
    return all(word in text for word in words)


async def show_object(look: Look, parts: Sequence[str]) -> Html | None:
    """One object: what it is, its pods, its events, and all that the API has of it.

    Args:
        parts: its kind in the plural, its namespace or `-`, and its name.

    Returns:
        None where no kind has this name.
    """
    if len(parts) != 3 or parts[0] not in (*KINDS, "nodes"):
        return None
    plural, namespace, name = parts
    kind = NODES if plural == "nodes" else KINDS[plural]
    status, item = await look.get(_path_of(kind, namespace, name))
    if status != 200:
        return _refused(look, name, status, item)
    tables = [_table(look, name, kind.columns, [kind.row(item)])]
    if plural == "nodes":
        pods = await _pods_on(look, name)
        row = node_row(item, {name: sum(map(_is_there, pods))})
        tables = [draw(Table(name, kind.columns, [row]), look.words)]
    else:
        pods = await _pods_of(look, plural, item)
    if pods:
        rows = [KINDS["pods"].row(one) for one in pods]
        tables.append(_table(look, "Pods", KINDS["pods"].columns, rows))
    tables += _details(look, item)
    events = [one for one in await look.items(KINDS["events"].path) if _is_about(one, item)]
    rows = [KINDS["events"].row(one) for one in sorted(events, key=event_time, reverse=True)]
    tables.append(_table(look, "Events", KINDS["events"].columns, rows))
    return Html("".join(tables) + _raw(look, item))


def _path_of(kind: Kind, namespace: str, name: str) -> str:
    base, _, plural = kind.path.rpartition("/")
    within = f"/namespaces/{quote(namespace, safe='')}" if namespace != "-" else ""
    return f"{base}{within}/{plural}/{quote(name, safe='')}"


async def _pods_on(look: Look, node: str) -> Sequence[Object]:
    pods = await look.items(KINDS["pods"].path)
    return [pod for pod in pods if pod["spec"].get("nodeName") == node]


async def _pods_of(look: Look, plural: str, item: Object) -> Sequence[Object]:
    """The pods of a workload, by its selector."""
    if plural not in WORKLOADS:
        return ()
    selector = item.get("spec", {}).get("selector") or {}
    wanted = selector.get("matchLabels", selector).items()
    return [
        pod
        for pod in await look.items(KINDS["pods"].path)
        if namespace_of(pod) == namespace_of(item)
        and wanted <= pod["metadata"].get("labels", {}).items()
    ]


def _is_about(event: Object, item: Object) -> bool:
    about = event.get("involvedObject") or event.get("regarding") or {}
    same = about.get("name") == name_of(item) and about.get("kind") == item.get("kind")
    return bool(same and about.get("namespace", "") in ("", "default", namespace_of(item)))


def _details(look: Look, item: Object) -> list[Html]:
    """The containers of a pod, and the conditions of whatever has some."""
    tables: list[Html] = []
    if item.get("kind") == "Pod":
        images = [(one["name"], one.get("image", "")) for one in item["spec"]["containers"]]
        tables.append(draw(Table("Containers", ("Container", "Image"), images), look.words))
    conditions = [
        (
            one["type"],
            one["status"],
            one.get("reason", ""),
            one.get("message", ""),
            age(one.get("lastTransitionTime")),
        )
        for one in item.get("status", {}).get("conditions") or ()
    ]
    if conditions:
        columns = ("Condition", "State", "Reason", "Message", "Since")
        tables.append(draw(Table("Conditions", columns, conditions), look.words))
    return tables


def _raw(look: Look, item: Object) -> str:
    shown = {
        **item,
        "metadata": {k: v for k, v in item["metadata"].items() if k != "managedFields"},
    }
    text = escape(json.dumps(shown, indent=2, ensure_ascii=False))
    return (
        f"<details><summary>{look.words['As the API has it']}</summary><pre>{text}</pre></details>"
    )
