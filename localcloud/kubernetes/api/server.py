"""The API server without HTTP: authorizes and answers calls."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from localcloud.kubernetes.access.rbac import Access, Authorizer, refusal
from localcloud.kubernetes.access.tokens import Tokens
from localcloud.kubernetes.api import reviews, subresources
from localcloud.kubernetes.api.aggregation import Aggregator
from localcloud.kubernetes.api.calls import (
    APPLY_PATCH,
    Answer,
    Call,
    Document,
    Listing,
    Target,
    Watching,
    document,
    parse_path,
    verb_of,
)
from localcloud.kubernetes.api.event_forms import newer_form
from localcloud.kubernetes.api.list_options import (
    list_options,
    require_watch_options,
    selection_of,
    whole_number,
)
from localcloud.kubernetes.api.paging import open_token, page
from localcloud.kubernetes.api.patch_calls import (
    patched_body,
    require_patch_type,
    shown_patch,
    wrong_patch,
)
from localcloud.kubernetes.api.write_options import require_write_options, settle_fields
from localcloud.kubernetes.objects import kinds
from localcloud.kubernetes.objects.deletion import DeleteOptions, delete
from localcloud.kubernetes.objects.failures import (
    ApiFailure,
    WrongType,
    expired,
    invalid_patch,
    method_not_allowed,
    no_such_path,
    not_emulated,
)
from localcloud.kubernetes.objects.kinds import Kind
from localcloud.kubernetes.objects.registry import Registry
from localcloud.kubernetes.objects.store import Store, Stored, TooOld
from localcloud.kubernetes.objects.watching import BACKLOG, Watch

NO_OWNERS = (
    "no field has an owner here: nothing conflicts, and what the manifest no longer names stays; "
    "`kubectl apply` without --server-side removes it"
)

Proxy = Callable[[Call, Target], Awaitable[Answer]]


class ApiServer:
    """Every path of the resource API, for authenticated users.

    `proxy` serves `pods/…/proxy` and `services/…/proxy`, `aggregator` the APIs of other servers;
    only they may take time.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        authorizer: Authorizer,
        tokens: Tokens,
        proxy: Proxy,
        aggregator: Aggregator,
    ) -> None:
        self.store = store
        self.registry = registry
        self.authorizer = authorizer
        self.tokens = tokens
        self._proxy = proxy
        self._aggregator = aggregator
        self.backlog = BACKLOG  # of each new watch

    async def handle(self, call: Call) -> Answer:
        """Answer one call.

        Raises:
            ApiFailure: the error status of the real server.
        """
        target = parse_path(call.path)
        if registered := self._aggregator.find(call.path):
            if target is None:
                self._authorize(call, Access(call.method.lower(), path=call.path))
            else:
                self._authorize_target(call, target)
            return await self._aggregator.answer(call, registered)
        if target is None:
            self._authorize(call, Access(call.method.lower(), path=call.path))
            raise no_such_path()
        if target.is_proxied:
            self._authorize_target(call, target)
            return await self._proxy(call, target)
        return self.answer(call, target)

    def answer(self, call: Call, target: Target) -> Answer:
        """Answer a call that needs no waiting: all but the proxies."""
        verb = self._authorize_target(call, target)
        kind = kinds.find_kind(target.group, target.version, target.resource)
        if kind is None:
            raise not_emulated(f"{target.resource}.{target.group}".rstrip("."))
        if target.subresource:
            return self._subresource(kind, call, target)
        if verb not in kind.verbs or _is_misplaced(kind, verb, target):
            raise method_not_allowed()
        if kind in kinds.REVIEWS:
            return reviews.answer(kind, call, self.authorizer, self.tokens)
        if kind is kinds.NEW_EVENT:
            return self._newer_events(call, target, verb)
        match verb:
            case "get":
                return Document(self.registry.read(kind, target.namespace, target.name), 200, kind)
            case "list":
                return self._list(kind, call, target)
            case "watch":
                return self._watch(kind, call, target)
            case "create":
                return self._create(kind, call, target)
            case "update":
                return self._update(kind, call, target)
            case "patch":
                return self._patch(kind, call, target, "")
            case "delete":
                return self._delete(kind, call, target)
            case _:
                return self._delete_all(kind, call, target)

    def is_aggregated(self, path: str) -> bool:
        """Return whether another server answers a path."""
        return self._aggregator.find(path) is not None

    @property
    def served(self) -> frozenset[str]:
        """The names of the APIs that other servers answer now."""
        return self._aggregator.served

    # Authorization

    def _authorize_target(self, call: Call, target: Target) -> str:
        verb = verb_of(call.method, target, call.query)
        resource = f"{target.resource}/{target.subresource}".rstrip("/")
        # As upstream, a namespace's own object counts as inside that namespace.
        inside = target.name if target.resource == "namespaces" else target.namespace
        self._authorize(call, Access(verb, target.group, resource, inside, target.name))
        return verb

    def _authorize(self, call: Call, access: Access) -> None:
        if self.authorizer.reason(call.user, access) is None:
            raise refusal(call.user, access)

    # Reading

    def _list(self, kind: Kind, call: Call, target: Target) -> Listing:
        selection = selection_of(kind, call, target)
        limit, token = list_options(call, self.store.version)
        return page(self.store, selection, limit, open_token(token) if token else None)

    def _newer_events(self, call: Call, target: Target, verb: str) -> Answer:
        if verb == "get":
            stored = self.registry.read(kinds.EVENT, target.namespace, target.name)
            return Document(newer_form(stored), 200, kinds.NEW_EVENT)
        found = self._list(kinds.EVENT, call, target)
        items = [newer_form(stored) for stored in found.items]
        return replace(found, kind=kinds.NEW_EVENT, items=items)

    def _watch(self, kind: Kind, call: Call, target: Target) -> Watching:
        version = call.query.get("resourceVersion", "")
        initial = call.query.get("sendInitialEvents") == "true"
        require_watch_options(call, self.store.version)
        seconds = whole_number(call, "timeoutSeconds") or None
        bookmarks = call.query.get("allowWatchBookmarks") in ("true", "1")
        selection = selection_of(kind, call, target)
        watch = Watch(
            self.store, selection, self.backlog
        )  # it receives changes from here on: nothing below may fail
        first: list[Stored] = []
        failure: ApiFailure | None = None
        if initial or version in ("", "0"):
            if call.query.get("sendInitialEvents") != "false":
                first = selection.list(self.store)
        else:
            try:
                watch.replay(int(version))
            except TooOld:
                text = f"too old resource version: {version} ({self.store.version})"
                failure = expired(text)
        return Watching(
            kind,
            watch,
            first,
            seconds=seconds,
            bookmarks=bookmarks,
            marks_end_of_first=initial and bookmarks,
            failure=failure,
        )

    # Writing

    def _create(self, kind: Kind, call: Call, target: Target) -> Document:
        body, warnings = _readable(kind, call)
        stored = self.registry.create(kind, target.namespace, body, dry_run=call.dry_run)
        return Document(stored, 201, kind, warnings)

    def _update(self, kind: Kind, call: Call, target: Target) -> Document:
        if kind.upserts and self.store.find(kind, target.namespace, target.name) is None:
            return self._create(kind, call, target)
        return self._replace(kind, call, target, "")

    def _replace(self, kind: Kind, call: Call, target: Target, subresource: str) -> Document:
        body, warnings = _readable(kind, call)
        stored = self.registry.update(
            kind, target.namespace, target.name, body,
            subresource=subresource, dry_run=call.dry_run,
        )  # fmt: skip
        return Document(stored, 200, kind, warnings)

    def _patch(self, kind: Kind, call: Call, target: Target, subresource: str) -> Document:
        require_patch_type(call.content_type)
        stored = self.store.find(kind, target.namespace, target.name)
        if stored is None and call.content_type == APPLY_PATCH and not subresource:
            given, warnings = _readable(kind, call)
            metadata = {**(given.get("metadata") or {}), "name": target.name}
            body = {**given, "metadata": metadata}
            created = self.registry.create(kind, target.namespace, body, dry_run=call.dry_run)
            return Document(created, 201, kind, warnings)
        require_write_options(call)
        stored = self.registry.read(kind, target.namespace, target.name)
        patched = patched_body(kind, stored, call)
        warnings = settle_fields(
            kind, call, patched, lambda why: invalid_patch(shown_patch(call, patched), why)
        )
        try:
            updated = self.registry.update(
                kind, target.namespace, target.name, patched,
                subresource=subresource, dry_run=call.dry_run,
            )  # fmt: skip
        except WrongType as error:
            raise wrong_patch(call, patched, error) from error
        if call.content_type == APPLY_PATCH:
            warnings += (NO_OWNERS,)
        return Document(updated, 200, kind, warnings)

    def _delete(self, kind: Kind, call: Call, target: Target) -> Document:
        options = DeleteOptions.read(call.body, call.query)
        last, gone = delete(self.registry, kind, target.namespace, target.name, options)
        if kind.returns_deleted or not gone:
            return Document(last, 200, kind)
        return document(subresources.deleted_status(kind, last.body))

    def _delete_all(self, kind: Kind, call: Call, target: Target) -> Listing:
        options = DeleteOptions.read(call.body, call.query)
        found = selection_of(kind, call, target).list(self.store)
        for stored in found:
            metadata = stored.body["metadata"]
            place, name = metadata.get("namespace", ""), metadata["name"]
            delete(self.registry, kind, place, name, options)
        return Listing(kind, found, self.store.version)

    def _subresource(self, kind: Kind, call: Call, target: Target) -> Answer:
        known = kind.find_subresource(target.subresource)
        verb = verb_of(call.method, target, call.query)
        if known is None:
            raise not_emulated(f"{target.resource}/{target.subresource}")
        if verb not in known.verbs:
            raise method_not_allowed()
        if target.subresource != kinds.STATUS:
            return subresources.answer(self.registry, self.tokens, kind, call, target)
        match verb:
            case "get":
                return Document(self.registry.read(kind, target.namespace, target.name), 200, kind)
            case "patch":
                return self._patch(kind, call, target, kinds.STATUS)
            case _:
                return self._replace(kind, call, target, kinds.STATUS)


def _is_misplaced(kind: Kind, verb: str, target: Target) -> bool:
    """Return whether a create names an object in its path, or a change names none."""
    match verb:
        case "create" | "deletecollection":
            return bool(target.name) or (kind.namespaced and not target.namespace)
        case "update" | "patch":
            return not target.name
    return False


def _readable(kind: Kind, call: Call) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Return the object in a call, and warnings about it."""
    require_write_options(call)
    body = subresources.require_object(call.body, kind)
    return body, settle_fields(kind, call, body)
