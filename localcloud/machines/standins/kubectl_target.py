"""The target of a kubectl command: a cluster, a namespace, and objects by kind and name."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from localcloud.kubernetes.client import ApiClient
from localcloud.kubernetes.objects.kinds import KINDS, Kind, find_kind_by_name
from localcloud.machines.standins.call import Arguments, Call, Failed

Manifest = dict[str, Any]


@dataclass
class Target:
    """A parsed command line; `words` follow the verb."""

    call: Call
    taken: Arguments
    words: list[str]
    connect: Callable[[], ApiClient]
    fetch: Callable[[str], Awaitable[str]]  # a path outside the resource API

    @property
    def namespace(self) -> str:
        return self.taken.value("-n", "--namespace", default="default")

    @property
    def output(self) -> str:
        return self.taken.value("-o", "--output")

    @property
    def everywhere(self) -> bool:
        return "-A" in self.taken or "--all-namespaces" in self.taken

    def path(self, kind: Kind, name: str = "") -> str:
        namespace = "" if self.everywhere and not name else self.namespace
        return kind.path(namespace if kind.namespaced else "", name)

    def named(self) -> list[tuple[Kind, str]]:
        """Return the objects of `KIND NAME…` or `KIND/NAME…`; none for a kind alone."""
        if not self.words:
            raise Failed("error: Required resource not specified.")
        if "/" in self.words[0]:
            pairs = [word.partition("/")[::2] for word in self.words]
            return [(find_kind_word(kind), name) for kind, name in pairs]
        kind = find_kind_word(self.words[0])
        return [(kind, name) for name in self.words[1:]] or [(kind, "")]

    async def manifests(self) -> list[tuple[Kind, Manifest]]:
        """Read the manifests of `-f`; `-` is standard input."""
        name = self.taken.value("-f", "--filename")
        if not name:
            raise Failed("error: must specify one of -f and -k")
        if name == "-":
            text = await self.call.read_stdin()
        else:
            file = self.call.path(name)
            if not file.is_file():
                raise Failed(f'error: the path "{name}" does not exist')
            text = file.read_text(encoding="utf-8")
        found = list(_read(text))
        if not found:
            raise Failed("error: no objects passed to apply")
        return found

    def place(self, kind: Kind, manifest: Manifest) -> str:
        """Return the namespace of a manifest."""
        return (
            str(manifest["metadata"].get("namespace") or self.namespace) if kind.namespaced else ""
        )


def _read(text: str) -> Iterator[tuple[Kind, Manifest]]:
    try:
        documents = [one for one in yaml.safe_load_all(text) if one]
    except yaml.YAMLError as error:
        raise Failed(
            f"error: error parsing STDIN: error converting YAML to JSON: {error}"
        ) from error
    for document in documents:
        items = document["items"] if document.get("kind") == "List" else [document]
        for item in items:
            version, name = item.get("apiVersion", ""), item.get("kind", "")
            kind = find_kind_by_name(version, name)
            if kind is None:
                raise Failed(
                    f'error: resource mapping not found for name: "{item["metadata"]["name"]}": '
                    f'no matches for kind "{name}" in version "{version}"'
                )
            yield kind, item


def find_kind_word(word: str) -> Kind:
    """Find a kind by plural, singular, short name, or plural with group."""
    lower = word.lower()
    for kind in KINDS:
        if lower in (kind.plural, kind.singular, kind.resource, *kind.short):
            return kind
    raise Failed(f'error: the server doesn\'t have a resource type "{word}"')


def label_of(kind: Kind, name: str) -> str:
    """Return an object's name in messages: `deployment.apps/kube-ui`."""
    return f"{kind.singular}{f'.{kind.group}' if kind.group else ''}/{name}"
