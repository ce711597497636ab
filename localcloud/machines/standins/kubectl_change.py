"""kubectl's commands that change: apply, create, delete, label, patch."""

import base64
import json
from typing import Any

import yaml

from localcloud.kubernetes.client import ApiClient, ApiFailure
from localcloud.kubernetes.objects.kinds import SERVICE_ACCOUNT, Kind
from localcloud.machines.standins.call import Failed
from localcloud.machines.standins.kubectl_target import Manifest, Target, label_of

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_NOT_FOUND = 404
_PATCH_TYPES = {
    "strategic": "application/strategic-merge-patch+json",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
}


async def apply(target: Target) -> int:
    """Client-side apply: fields of the last applied manifest that are missing now are removed."""
    api = target.connect()
    for kind, manifest in await target.manifests():
        word = await _apply_one(api, target, kind, manifest)
        await target.call.out(f"{label_of(kind, manifest['metadata']['name'])} {word}")
    return 0


async def _apply_one(api: ApiClient, target: Target, kind: Kind, manifest: Manifest) -> str:
    namespace, name = target.place(kind, manifest), manifest["metadata"]["name"]
    wanted = _annotated(manifest, namespace)
    try:
        current = await api.request("GET", kind.path(namespace, name))
    except ApiFailure as failure:
        if failure.status != _NOT_FOUND:
            raise
        await api.request("POST", kind.path(namespace), body=wanted)
        return "created"
    before = (current["metadata"].get("annotations") or {}).get(LAST_APPLIED, "{}")
    # Sent also where the manifest is the last one: another client may have changed the object.
    patch = _merged(_removals(json.loads(before), manifest), wanted)
    answer = await api.request(
        "PATCH", kind.path(namespace, name), body=patch, content_type=_PATCH_TYPES["strategic"]
    )
    same = answer["metadata"]["resourceVersion"] == current["metadata"]["resourceVersion"]
    return "unchanged" if same else "configured"


def _annotated(manifest: Manifest, namespace: str) -> Manifest:
    metadata = {**manifest["metadata"], **({"namespace": namespace} if namespace else {})}
    annotations: dict[str, str] = dict(metadata.get("annotations") or {})
    plain = {**manifest, "metadata": {**metadata, "annotations": annotations}}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":")) + "\n"
    return {
        **manifest,
        "metadata": {**metadata, "annotations": {**annotations, LAST_APPLIED: text}},
    }


def _removals(before: Manifest, after: Manifest) -> Manifest:
    """Return the patch that removes fields which are no longer in the manifest."""
    patch: Manifest = {}
    for key, value in before.items():
        if key not in after:
            patch[key] = None
        elif isinstance(value, dict) and isinstance(after[key], dict):
            patch[key] = _removals(value, after[key])
    metadata = patch.get("metadata") or {}
    for key in ("namespace", "annotations"):  # added by apply itself
        if key in metadata and metadata[key] is None:
            del metadata[key]
    return patch


def _merged(patch: Manifest, wanted: Manifest) -> Manifest:
    merged = {**patch, **wanted}
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(wanted.get(key), dict):
            merged[key] = _merged(value, wanted[key])
    return merged


async def create(target: Target) -> int:
    """`create -f`, `create secret tls NAME`, `create token ACCOUNT`, `create namespace NAME`."""
    if "--dry-run" in target.taken and target.words[:1] in ([], ["token"]):
        raise target.call.unknown("--dry-run of this")
    if not target.words:
        api = target.connect()
        for kind, manifest in await target.manifests():
            await api.request("POST", kind.path(target.place(kind, manifest)), body=manifest)
            await target.call.out(f"{label_of(kind, manifest['metadata']['name'])} created")
        return 0
    match target.words:
        case ["secret", "tls", name]:
            return await _make(target, _tls_secret(target, name), f"secret/{name}")
        case ["namespace" | "ns", name]:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            return await _make(target, body, f"namespace/{name}")
        case ["token", account]:
            return await _token(target, account)
        case words:
            raise target.call.unknown(f"create {' '.join(words)}")


def _tls_secret(target: Target, name: str) -> Manifest:
    data = {}
    for option, key in (("--cert", "tls.crt"), ("--key", "tls.key")):
        file = target.call.path(target.taken.value(option) or "/nowhere")
        if not file.is_file():
            raise Failed(f"error: cannot read file {target.taken.value(option)}, no such file")
        data[key] = base64.b64encode(file.read_bytes()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name, "namespace": target.namespace},
        "data": data,
    }


async def _make(target: Target, manifest: Manifest, label: str) -> int:
    match target.taken.value("--dry-run"):
        case "client" if target.output == "yaml":
            await target.call.out(yaml.safe_dump(manifest, sort_keys=False))
        case "":
            plural = "secrets" if manifest["kind"] == "Secret" else "namespaces"
            space = f"/namespaces/{target.namespace}" if plural == "secrets" else ""
            await target.connect().request("POST", f"/api/v1{space}/{plural}", body=manifest)
            await target.call.out(f"{label} created")
        case word:
            raise target.call.unknown(f"--dry-run={word} -o {target.output}")
    return 0


async def _token(target: Target, account: str) -> int:
    text = target.taken.value("--duration", default="1h")
    unit = {"h": 3600, "m": 60, "s": 1}.get(text[-1:])
    if unit is None or not text[:-1].isdigit():
        raise Failed(f'error: invalid argument "{text}" for "--duration" flag')
    body = {"spec": {"expirationSeconds": int(text[:-1]) * unit}}
    path = f"{SERVICE_ACCOUNT.path(target.namespace, account)}/token"
    answer = await target.connect().request("POST", path, body=body)
    await target.call.out(answer["status"]["token"])
    return 0


async def delete(target: Target) -> int:
    """`delete KIND NAME…` or `delete -f`, without waiting for finalizers and kubelets."""
    api = target.connect()
    if "-f" in target.taken or "--filename" in target.taken:
        pairs = [
            (kind, manifest["metadata"]["name"], target.place(kind, manifest))
            for kind, manifest in await target.manifests()
        ]
    else:
        pairs = [(kind, name, target.namespace) for kind, name in target.named()]
    for kind, name, namespace in pairs:
        if not name:
            raise Failed("error: resource(s) were provided, but no name was specified")
        try:
            await api.request("DELETE", kind.path(namespace if kind.namespaced else "", name))
        except ApiFailure as failure:
            if failure.status == _NOT_FOUND and "--ignore-not-found" in target.taken:
                continue
            raise
        await target.call.out(f'{kind.singular} "{name}" deleted')
    return 0


async def label(target: Target) -> int:
    """`label KIND NAME key=value… key-…`."""
    changes: dict[str, str | None] = {}
    while target.words and ("=" in target.words[-1] or target.words[-1].endswith("-")):
        key, has_value, text = target.words.pop().partition("=")
        changes[key if has_value else key.removesuffix("-")] = text if has_value else None
    api, [(kind, name)] = target.connect(), target.named()
    path = target.path(kind, name)
    current: dict[str, str] = (await api.request("GET", path))["metadata"].get("labels") or {}
    if all(current.get(key) == value for key, value in changes.items()):
        await target.call.out(f"{label_of(kind, name)} not labeled")
        return 0
    for key, value in changes.items():
        if value is not None and key in current and "--overwrite" not in target.taken:
            raise Failed(
                f"error: '{key}' already has a value ({current[key]}), and --overwrite is false"
            )
    body: Any = {"metadata": {"labels": changes}}
    await api.request("PATCH", path, body=body, content_type=_PATCH_TYPES["merge"])
    await target.call.out(f"{label_of(kind, name)} labeled")
    return 0


async def patch(target: Target) -> int:
    """`patch KIND NAME --type T -p JSON`; reports when nothing changed."""
    kind_of_patch = target.taken.value("--type", default="strategic")
    if kind_of_patch not in _PATCH_TYPES:
        raise Failed("error: --type must be one of [json merge strategic]")
    try:
        body = yaml.safe_load(target.taken.value("-p", "--patch"))
    except yaml.YAMLError as error:
        raise Failed(f"error: unable to parse the patch: {error}") from error
    api, [(kind, name)] = target.connect(), target.named()
    path = target.path(kind, name)
    before = await api.request("GET", path)
    after = await api.request("PATCH", path, body=body, content_type=_PATCH_TYPES[kind_of_patch])
    same = before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
    await target.call.out(f"{label_of(kind, name)} patched{' (no change)' if same else ''}")
    return 0
