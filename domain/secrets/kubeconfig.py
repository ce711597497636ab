"""kubeconfig files: written for one cluster, merged into an existing file, removed from it.

Our entries carry the cluster's resource names (`k8s.demo`), so that they never replace a user's
context of the name `demo`. Everything else in the file stays as it is, apart from comments and
layout, which the YAML library does not keep.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import yaml

from domain.kernel.errors import InvalidSpec
from domain.secrets.pki import ADMINS, CertifiedKey, make_client_certificate

Config = dict[str, Any]

LISTS = ("clusters", "users", "contexts")


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """How to reach one API server: its URL, its CA, and our client certificate; all PEM."""

    server: str
    ca: str
    certificate: str
    key: str = field(repr=False)


def make_access(
    ca: CertifiedKey, url: str, user: str, now: datetime, validity: timedelta
) -> ClusterAccess:
    """Make an administrator's client certificate for the API server at `url`."""
    admin = make_client_certificate(ca, user, ADMINS, now, validity)
    return ClusterAccess(url, ca.certificate, admin.certificate, admin.key)


class _Loader(yaml.SafeLoader):
    """Reads dates as text, so that a merge does not change an unquoted expiry."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def context_name(cluster: str) -> str:
    """Name the context (and the cluster entry) of a cluster of ours."""
    return f"k8s.{cluster}"


def render_kubeconfig(cluster: str, access: ClusterAccess) -> str:
    """Write the kubeconfig of one cluster alone; it holds the private key."""
    return merge_kubeconfig("", cluster, access, make_current=True)


def merge_kubeconfig(
    existing: str, cluster: str, access: ClusterAccess, *, make_current: bool = False
) -> str:
    """Add a cluster to a kubeconfig, replacing the entries of an earlier run.

    The current context changes only with `make_current`, or when the file names none.

    Raises:
        InvalidSpec: the text is not a kubeconfig; the file must not be overwritten.
    """
    config = _load(existing)
    for kind, name, body in _entries(cluster, access):
        _put(config, kind, {"name": name, _body_key(kind): body})
    if make_current or not config.get("current-context"):
        config["current-context"] = context_name(cluster)
    return _dump(config)


def remove_from_kubeconfig(existing: str, cluster: str) -> str:
    """Remove a cluster's entries. Returns: the new text, or the same one when it has none.

    Raises:
        InvalidSpec: the text is not a kubeconfig.
    """
    config = _load(existing)
    ours = {"clusters": {context_name(cluster)}, "contexts": {context_name(cluster)}}
    ours["users"] = {_user_name(cluster)}
    found = False
    for kind, names in ours.items():
        kept = [entry for entry in config[kind] if entry["name"] not in names]
        found = found or len(kept) < len(config[kind])
        config[kind] = kept
    if config.get("current-context") == context_name(cluster):
        config["current-context"] = ""
        found = True
    return _dump(config) if found else existing


def other_contexts(existing: str, cluster: str) -> list[str]:
    """The contexts of other clusters in a kubeconfig, which would be lost with it.

    Raises:
        InvalidSpec: the text is not a kubeconfig.
    """
    names = [entry["name"] for entry in _load(existing)["contexts"]]
    return [name for name in names if name != context_name(cluster)]


def _user_name(cluster: str) -> str:
    return f"{context_name(cluster)}.admin"


def _entries(cluster: str, access: ClusterAccess) -> Iterator[tuple[str, str, Config]]:
    yield (
        "clusters",
        context_name(cluster),
        {"certificate-authority-data": _encoded(access.ca), "server": access.server},
    )
    yield (
        "users",
        _user_name(cluster),
        {
            "client-certificate-data": _encoded(access.certificate),
            "client-key-data": _encoded(access.key),
        },
    )
    yield (
        "contexts",
        context_name(cluster),
        {"cluster": context_name(cluster), "user": _user_name(cluster)},
    )


def _body_key(kind: str) -> str:
    return kind.removesuffix("s")


def _put(config: Config, kind: str, entry: Config) -> None:
    """Replace the first entry of that name and drop duplicates, or append."""
    places = [i for i, old in enumerate(config[kind]) if old["name"] == entry["name"]]
    if not places:
        config[kind].append(entry)
        return
    config[kind][places[0]] = _with_kept_settings(config[kind][places[0]], entry, kind)
    for place in reversed(places[1:]):
        del config[kind][place]


def _with_kept_settings(old: Config, new: Config, kind: str) -> Config:
    """Keep a namespace that the user has set on our context."""
    key = _body_key(kind)
    body = old.get(key)
    if kind == "contexts" and isinstance(body, dict) and "namespace" in body:
        return {**new, key: {**new[key], "namespace": body["namespace"]}}
    return new


def _load(text: str) -> Config:
    try:
        config = yaml.load(text, Loader=_Loader)  # noqa: S506  (a SafeLoader)
    except (yaml.YAMLError, ValueError) as error:
        first_line = str(error).splitlines()[0]
        raise InvalidSpec(f"the kubeconfig is not YAML: {first_line}; repair it first") from None
    if config is None:
        config = {"apiVersion": "v1", "kind": "Config"}
    if not isinstance(config, dict):
        raise InvalidSpec("the kubeconfig is not a YAML mapping; name another file")
    if config.get("kind", "Config") != "Config":
        raise InvalidSpec(f"the file is a {config['kind']}, not a kubeconfig; name another file")
    for kind in LISTS:
        config[kind] = _checked_list(kind, config.get(kind))
    return config


def _checked_list(kind: str, entries: object) -> list[Config]:
    if entries is None:  # kubectl writes null for an empty list
        return []
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in entries
    ):
        raise InvalidSpec(
            f"`{kind}` in the kubeconfig is not a list of named entries; repair it first"
        )
    return entries


def _dump(config: Config) -> str:
    # Without allow_unicode: with it, PyYAML writes some line separators as they are, and they
    # come back as blanks.
    return yaml.safe_dump(config, sort_keys=False, default_flow_style=False)


def _encoded(pem: str) -> str:
    return base64.b64encode(pem.encode()).decode()
