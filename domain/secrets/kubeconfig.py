"""kubeconfig files: written for one cluster, or merged into an existing file.

Our entries carry the cluster's resource names (`k8s.demo`), so that they never replace a user's
context of the name `demo`; where that is the cluster of another account, they carry the account as
well (`k8s.demo-1a2b3c4d`). Everything else in the file stays as it is, also what a person has added
to our entries, apart from comments and layout, which the YAML library does not keep.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import yaml

from domain.kernel.errors import InvalidSpec
from domain.kernel.names import ClusterId
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


EXTENSION = "k8s-qingcloud"
"""The extension of our cluster entries; it holds the cluster's key."""

INSECURE = "insecure-skip-tls-verify"
"""kubectl refuses it together with a CA, which we always write."""


def choose_context(existing: str, cluster: ClusterId) -> str:
    """Choose the name of a cluster's context, which is that of its cluster entry too.

    Returns: `k8s.demo`, or `k8s.demo-1a2b3c4d` where the former is another account's.

    Raises:
        InvalidSpec: the text is not a kubeconfig.
    """
    short, long = f"k8s.{cluster.name}", f"k8s.{cluster.key}"
    for entry in _load(existing)["clusters"]:
        if entry["name"] == short and _key_of(entry) not in ("", cluster.key):
            return long
    return short


def _key_of(entry: Config) -> str:
    """The key of the cluster that an entry is for; empty where an earlier version wrote it."""
    body = entry.get("cluster")
    extensions = body.get("extensions") if isinstance(body, dict) else None
    for one in extensions if isinstance(extensions, list) else ():
        if isinstance(one, dict) and one.get("name") == EXTENSION:
            known = one.get("extension")
            return str(known.get("key", "")) if isinstance(known, dict) else ""
    return ""


def render_kubeconfig(cluster: ClusterId, access: ClusterAccess) -> str:
    """Write the kubeconfig of one cluster alone; it holds the private key."""
    return merge_kubeconfig("", cluster, access, make_current=True)


def merge_kubeconfig(
    existing: str, cluster: ClusterId, access: ClusterAccess, *, make_current: bool = False
) -> str:
    """Add a cluster to a kubeconfig, replacing the entries of an earlier run.

    The current context changes only with `make_current`, or when the file names none.

    Raises:
        InvalidSpec: the text is not a kubeconfig; the file must not be overwritten.
    """
    config, context = _load(existing), choose_context(existing, cluster)
    for kind, name, body in _entries(context, cluster.key, access):
        _put(config, kind, {"name": name, _body_key(kind): body})
    if make_current or not config.get("current-context"):
        config["current-context"] = context
    return _dump(config)


def other_contexts(existing: str, cluster: ClusterId) -> list[str]:
    """The contexts of other clusters in a kubeconfig, which would be lost with it.

    Raises:
        InvalidSpec: the text is not a kubeconfig.
    """
    ours = choose_context(existing, cluster)
    return [name for name in all_contexts(existing) if name != ours]


def all_contexts(existing: str) -> list[str]:
    """The contexts of a kubeconfig. Raises `InvalidSpec` where the text is none."""
    return [entry["name"] for entry in _load(existing)["contexts"]]


def _entries(context: str, key: str, access: ClusterAccess) -> Iterator[tuple[str, str, Config]]:
    user = f"{context}.admin"
    yield (
        "clusters",
        context,
        {
            "certificate-authority-data": _encoded(access.ca),
            "server": access.server,
            "extensions": [{"name": EXTENSION, "extension": {"key": key}}],
        },
    )
    yield (
        "users",
        user,
        {
            "client-certificate-data": _encoded(access.certificate),
            "client-key-data": _encoded(access.key),
        },
    )
    yield ("contexts", context, {"cluster": context, "user": user})


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
    """Keep what a person has added, such as a namespace or a `proxy-url`; ours comes first."""
    key = _body_key(kind)
    body = old.get(key)
    if not isinstance(body, dict):
        return new
    added = {name: value for name, value in body.items() if name not in new[key]}
    added.pop(INSECURE, None)
    merged = {**new[key], **added}
    if "extensions" in new[key]:
        known = body.get("extensions")
        others = [one for one in known if not _is_ours(one)] if isinstance(known, list) else []
        merged["extensions"] = [*new[key]["extensions"], *others]
    return {**old, **new, key: merged}


def _is_ours(extension: object) -> bool:
    return isinstance(extension, dict) and extension.get("name") == EXTENSION


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
