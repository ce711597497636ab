"""HTML of kube-ui: the frame of a page, tables, links. What comes from a cluster is escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from localcloud.kubernetes.pods.kube_ui.words import NOTE

MOST_ROWS = 500  # of one table

Words = Mapping[str, str]


class Html(str):
    """Text that is HTML already."""


Cell = str | Html


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a heading; `more` rows are left out."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    more: int = 0


NAVIGATION = {
    "/": "Cluster",
    "/workloads": "Workloads",
    "/pods": "Pods",
    "/services": "Services",
    "/events": "Events",
}


def to_html(cell: Cell) -> str:
    return cell if isinstance(cell, Html) else escape(cell)


def link(path: str, text: str) -> Html:
    return Html(f'<a href="{quote(path, safe="/?=&")}">{escape(text)}</a>')


def state(text: str, level: str) -> Html:
    """A word of a state; the level is `good`, `warning` or `bad`."""
    return Html(f'<span class="{level}">{escape(text)}</span>')


def share(part: int, whole: int) -> Html:
    """A number of a capacity, with a bar."""
    label = f"{part} of {whole}"
    bounds = f'min="0" high="{whole * 0.9:g}" max="{max(whole, 1)}"'
    bar = f'<meter {bounds} value="{min(part, whole)}">{label}</meter>'
    return Html(f'<span class="share">{bar} {label}</span>')


def draw(table: Table, words: Words) -> Html:
    """Draw a table; on narrow screens each row is a card, so each cell knows its column."""
    title = f"<h2>{escape(words[table.title])}</h2>"
    if not table.rows:
        return Html(f'<section>{title}<p class="note">{words["Nothing here"]}</p></section>')
    names = [escape(words[column]) for column in table.columns]
    head = "".join(f"<th>{name}</th>" for name in names)
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td data-column="{name}">{to_html(cell)}</td>'
            for name, cell in zip(names, row, strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    more = ""
    if table.more:
        told = words["{count} more; search for them"].format(count=table.more)
        more = f'<p class="note">{escape(told)}</p>'
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return Html(f'<section>{title}<div class="rows">{body}</div>{more}</section>')


def draw_controls(namespaces: Sequence[str], chosen: str, sought: str, words: Words) -> Html:
    """The form that chooses a namespace and searches; it works without JavaScript, too."""
    options = "".join(
        f'<option value="{escape(name)}"{" selected" if name == chosen else ""}>'
        f"{escape(name or words['All namespaces'])}</option>"
        for name in ("", *namespaces)
    )
    return Html(
        '<form class="controls" method="get">'
        f'<select name="namespace" aria-label="{words["Namespace"]}">{options}</select>'
        f'<input type="search" name="q" value="{escape(sought)}" placeholder="{words["Search"]}" '
        f'aria-label="{words["Search"]}"><button>{words["Show"]}</button></form>'
    )


def show_page(path: str, body: Html, words: Words) -> str:
    """A whole page for somebody who has logged in."""
    items = "".join(
        f'<a href="{target}"{" aria-current=page" if target == path else ""}>{words[title]}</a>'
        for target, title in NAVIGATION.items()
    )
    refresh = (
        f'<a class="button" id="refresh" href="">{words["Refresh"]}</a>'
        f'<label id="live" hidden><input type="checkbox" checked> {words["every 10 s"]}</label>'
    )
    leave = f'<form method="post" action="/logout"><button>{words["Log out"]}</button></form>'
    frame = f"<header><nav>{items}</nav><div>{refresh}{leave}</div></header>"
    return _document(f"{frame}<main>{body}</main><footer>{words[NOTE]}</footer>", words)


def show_login(problem: str, words: Words) -> str:
    """The form for the token."""
    notice = f'<p class="bad">{escape(words[problem])}</p>' if problem else ""
    form = (
        f'<form method="post" action="/login"><label for="token">{words["Token"]}</label>'
        '<textarea id="token" name="token" rows="6" autocomplete="off" autofocus></textarea>'
        f"<button>{words['Log in']}</button></form>"
    )
    hint = f'<p class="note">{words["qingcloud-k8s ui prints a token."]}</p>'
    title = f"<h1>{words['Log in to the cluster']}</h1>"
    return _document(
        f'<main class="login">{title}{notice}{form}{hint}</main><footer>{words[NOTE]}</footer>',
        words,
    )


def _document(body: str, words: Words) -> str:
    return (
        f'<!doctype html><html lang="{words[""]}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{words['kube-ui on the local cloud']}</title>"
        '<link rel="stylesheet" href="/assets/page.css">'
        f'<script src="/assets/page.js" defer></script></head><body>{body}</body></html>\n'
    )
