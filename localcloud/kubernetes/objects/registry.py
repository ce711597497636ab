"""Create, update and delete objects by the rules of all kinds."""

import random
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.clock import Clock, stamp
from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.defaults import protect_new, taint_new_node, without_nulls
from localcloud.kubernetes.objects.failures import (
    Cause,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    internal_error,
    invalid,
    not_found,
    quoted,
    wrong_name,
)
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.names import ALPHABET
from localcloud.kubernetes.objects.priorities import resolve_priority
from localcloud.kubernetes.objects.service_addresses import ServiceAddresses, keep_addresses
from localcloud.kubernetes.objects.shapes import wrong_kind
from localcloud.kubernetes.objects.store import Body, Store, Stored
from localcloud.kubernetes.objects.validation import complete_and_check

SYSTEM_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
EVENTS_KEPT = 2000
"""The most events kept, as the real server keeps them for an hour."""

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
"""The annotation of the class of claims that name none."""

_ATTEMPTS = 8  # at a generated name, as upstream
_NOT_WITH_STATUS = {kinds.DEPLOYMENT: ("labels",), kinds.POD: ("ownerReferences",)}
"""The metadata that a write of the status does not change, unlike all other."""
_KEPT_METADATA = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


class Registry:
    """The rules of writes; reads go to the store directly.

    Every method either does the whole write or raises `ApiFailure` and does nothing. With
    `dry_run` it answers what would be stored, and stores nothing.
    """

    def __init__(
        self, store: Store, clock: Clock, service_cidr: str, chance: random.Random
    ) -> None:
        self.store = store
        self.clock = clock
        self._random = chance
        self._addresses = ServiceAddresses(service_cidr, chance)

    def read(self, kind: Kind, namespace: str, name: str) -> Stored:
        stored = self.store.find(kind, namespace, name)
        if stored is None:
            raise not_found(kind, name)
        return stored

    def create(
        self, kind: Kind, namespace: str, body: Mapping[str, Any], *, dry_run: bool = False
    ) -> Stored:
        """Store a new object under its name, or under one generated from generateName."""
        fresh = self._readable(kind, namespace, body)
        self._require_living_namespace(kind, namespace, fresh)
        metadata = fresh["metadata"]
        if metadata.get("resourceVersion"):
            raise internal_error("resourceVersion should not be set on objects to be created")
        self._name(kind, namespace, metadata)
        if kind.has_status and kind not in (kinds.NODE, kinds.POD):
            fresh.pop("status", None)
        for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "managedFields"):
            metadata.pop(field, None)
        metadata["uid"] = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        metadata["creationTimestamp"] = stamp(self.clock.now())
        metadata.pop("selfLink", None)
        if kind.has_generation:
            metadata["generation"] = 1
        if kind is kinds.POD:
            classes = self.store.select(kinds.PRIORITY_CLASS)
            resolve_priority(fresh, (one.body for one in classes))
        protect_new(kind, fresh)
        if kind is kinds.CLAIM:
            self._give_class(fresh)
        self._finish(kind, fresh, None)
        if kind is kinds.NODE:
            taint_new_node(fresh)
        if self.store.find(kind, namespace, metadata["name"]):
            raise already_exists(kind, metadata["name"])
        stored = self._keep(kind, fresh, dry_run=dry_run)
        if kind is kinds.EVENT and self.store.count(kind) > EVENTS_KEPT:
            self._forget_events()
        return stored

    def update(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        body: Mapping[str, Any],
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Stored:
        """Replace an object, or with subresource `status` its status and its metadata.

        A body without resourceVersion replaces whatever is there. Writing what is stored
        already changes nothing, and gives no new version.
        """
        before = self.read(kind, namespace, name)
        fresh = self._readable(kind, namespace, body)
        given = fresh["metadata"].get("name", "")
        if given != name:
            raise wrong_name(name, given)
        self._require_same(kind, before, fresh["metadata"])
        merged = self._merged(kind, before.body, fresh, subresource)
        self._finish(kind, merged, before.body)
        if _without_version(merged) == _without_version(before.body):
            return before
        old, new = before.body, merged
        if kind.has_generation and _wanted(old) != _wanted(new):
            merged["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if self._may_go(kind, merged):
            return before if dry_run else self.store.remove(kind, Stored(merged, before.version))
        return self._keep(kind, merged, dry_run=dry_run, instead_of=before)

    def change(
        self,
        kind: Kind,
        stored: Stored,
        edit: Callable[[Body], None],
        *,
        dry_run: bool = False,
    ) -> Stored:
        """Store an edited object without the checks of `update`.

        For the server's own changes: bindings, deletion marks, budgets.
        """
        body = stored.copy()
        edit(body)
        if self._may_go(kind, body):
            return stored if dry_run else self.store.remove(kind, Stored(body, stored.version))
        return self._keep(kind, body, dry_run=dry_run, instead_of=stored)

    def finalize(self, name: str, body: Mapping[str, Any]) -> Stored:
        """Set the finalizers of a namespace's spec; a leaving namespace without any is removed."""
        stored = self.read(kinds.NAMESPACE, "", name)
        finalizers = (body.get("spec") or {}).get("finalizers") or []

        def edit(namespace: Body) -> None:
            namespace["spec"] = {"finalizers": finalizers} if finalizers else {}

        return self.change(kinds.NAMESPACE, stored, edit)

    def require_version(self, kind: Kind, name: str, stored: Stored, version: str) -> None:
        """Refuse a write for another version than the stored one."""
        if version and not version.isdigit():
            raise internal_error(f"strconv.ParseUint: parsing {quoted(version)}: invalid syntax")
        if version and version != "0" and version != str(stored.version):
            raise conflict(kind, name)

    def _readable(self, kind: Kind, namespace: str, body: Mapping[str, Any]) -> Body:
        """Copy a request's body, and check that it matches its path."""
        if not isinstance(body, Mapping):
            raise bad_request(f"the object provided is unrecognized (must be of type {kind.kind})")
        # Kind first: lists remove it from the encoded text.
        head = {"apiVersion": kind.api_version, "kind": kind.kind}
        fresh: Body = {**head, **without_nulls(body)}
        given = (fresh["apiVersion"], fresh["kind"])
        if given != (kind.api_version, kind.kind):
            raise wrong_kind(kind, *given)
        metadata = fresh.setdefault("metadata", {})
        if not isinstance(metadata, dict):
            raise bad_request("metadata must be an object")
        if kind.namespaced:
            if metadata.setdefault("namespace", namespace) != namespace:
                raise bad_request(
                    "the namespace of the provided object does not match the namespace sent on "
                    "the request"
                )
        else:
            metadata.pop("namespace", None)
        return fresh

    def _give_class(self, claim: Body) -> None:
        """Set the default class of a claim that names none, as admission does."""
        spec = claim.setdefault("spec", {})
        if not isinstance(spec, dict) or "storageClassName" in spec:
            return
        classes = [one.body["metadata"] for one in self.store.select(kinds.STORAGE_CLASS)]
        defaults = [
            one for one in classes if (one.get("annotations") or {}).get(DEFAULT_CLASS) == "true"
        ]
        if defaults:
            newest = max(defaults, key=lambda one: (one["creationTimestamp"], one["name"]))
            spec["storageClassName"] = newest["name"]

    def _forget_events(self) -> None:
        """Drop the oldest tenth at once, so that many events are not sorted each time."""
        oldest = sorted(self.store.select(kinds.EVENT), key=lambda event: event.version)
        for event in oldest[: EVENTS_KEPT // 10]:
            self.store.remove(kinds.EVENT, event)

    def _require_living_namespace(self, kind: Kind, namespace: str, body: Body) -> None:
        if not kind.namespaced:
            return
        stored = self.store.find(kinds.NAMESPACE, "", namespace)
        if stored is None:
            raise not_found(kinds.NAMESPACE, namespace)
        if stored.body["metadata"].get("deletionTimestamp"):
            why = (
                f"unable to create new content in namespace {namespace} because it is being "
                "terminated"
            )
            raise forbidden(kind, body["metadata"].get("name", ""), why)

    def _name(self, kind: Kind, namespace: str, metadata: Body) -> None:
        prefix = metadata.get("generateName")
        if metadata.get("name"):
            return
        if not prefix:
            text = "name or generateName is required"
            raise invalid(kind, "", [Cause.required("metadata.name", text)])
        for _ in range(_ATTEMPTS):
            name = prefix[:58] + "".join(self._random.choices(ALPHABET, k=5))
            if not self.store.find(kind, namespace, name):
                metadata["name"] = name
                return
        raise already_exists(kind, name)

    def _finish(self, kind: Kind, body: Body, before: Body | None) -> None:
        """Complete and validate a body before it is stored."""
        name = body["metadata"].get("name", "")
        causes = complete_and_check(kind, body, before)
        if kind is kinds.SERVICE and not causes:
            causes = self._address(body)
        if causes:
            raise invalid(kind, name, causes)

    def _address(self, body: Body) -> list[Cause]:
        key = (body["metadata"]["namespace"], body["metadata"]["name"])
        others = (
            other.body["spec"]
            for other in self.store.select(kinds.SERVICE)
            if (other.body["metadata"]["namespace"], other.body["metadata"]["name"]) != key
        )
        return self._addresses.assign(body["spec"], others)

    def _require_same(self, kind: Kind, before: Stored, metadata: Mapping[str, Any]) -> None:
        name = before.body["metadata"]["name"]
        self.require_version(kind, name, before, metadata.get("resourceVersion", ""))
        uid, current = metadata.get("uid"), before.body["metadata"]["uid"]
        if uid and uid != current:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {current}"
            raise conflict(kind, name, why)

    @staticmethod
    def _merged(kind: Kind, before: Body, fresh: Body, subresource: str) -> Body:
        """Return the body that an update stores: fields of the server are kept."""
        metadata: Body = fresh["metadata"]
        if subresource == kinds.STATUS:
            merged: Body = {**before, "status": fresh.get("status", {}), "metadata": metadata}
            for field in _NOT_WITH_STATUS.get(kind, ()):
                metadata.pop(field, None)
                if field in before["metadata"]:
                    metadata[field] = before["metadata"][field]
        else:
            merged = fresh
            if kind.has_status:
                merged.pop("status", None)
                if "status" in before:
                    merged["status"] = before["status"]
            if kind is kinds.NAMESPACE:
                merged["spec"] = before.get("spec", {})
            if kind is kinds.SERVICE:
                keep_addresses(before["spec"], merged.setdefault("spec", {}))
        metadata["name"] = before["metadata"]["name"]
        for field in (*_KEPT_METADATA, "generation", "generateName"):
            metadata.pop(field, None)
            if field in before["metadata"]:
                metadata[field] = before["metadata"][field]
        metadata.pop("managedFields", None)
        metadata.pop("selfLink", None)
        return merged

    @staticmethod
    def _may_go(kind: Kind, body: Body) -> bool:
        """Return whether a leaving object can be removed."""
        metadata = body["metadata"]
        if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
            return False
        if kind is kinds.NAMESPACE:
            return not body.get("spec", {}).get("finalizers")
        return not metadata.get("deletionGracePeriodSeconds")

    def _keep(
        self, kind: Kind, body: Body, *, dry_run: bool, instead_of: Stored | None = None
    ) -> Stored:
        if dry_run:
            if instead_of:
                body["metadata"]["resourceVersion"] = str(instead_of.version)
            return Stored(body, 0)
        return self.store.put(kind, body)


def _wanted(body: Body) -> Body:
    return {key: value for key, value in body.items() if key not in ("metadata", "status")}


def _without_version(body: Body) -> Body:
    metadata = {k: v for k, v in body["metadata"].items() if k != "resourceVersion"}
    return {**body, "metadata": metadata}
