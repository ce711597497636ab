"""A cache of what a run has read of the cloud, so that it sends each read once.

Calls are scarce: QingCloud documents 2,000 an hour for an account. A run therefore keeps every
answer until it changes a resource of that kind; reads before a decision use `cloud.known`. A wait
asks the cloud itself: it looks for a change that no call of this run causes.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, cast

from domain.cloud.api import Cloud

KINDS: Mapping[str, str] = {
    "list_zones": "catalog",
    "list_system_images": "catalog",
    "find_image": "catalog",
    "list_instance_types": "catalog",
    "read_quota_left": "quota",
    "read_user": "user",
    "find_vpcs": "router",
    "search_vpcs": "router",
    "read_vpcs": "router",
    "find_vxnets": "vxnet",
    "read_vxnets": "vxnet",
    "list_port_forwards": "forward",
    "find_eips": "eip",
    "search_eips": "eip",
    "read_eips": "eip",
    "find_security_groups": "group",
    "search_security_groups": "group",
    "read_security_groups": "group",
    "list_rules": "rule",
    "find_loadbalancers": "balancer",
    "list_loadbalancers": "balancer",
    "list_listeners": "listener",
    "list_backends": "backend",
    "find_keypairs": "keypair",
    "search_keypairs": "keypair",
    "read_keypairs": "keypair",
    "find_instances": "instance",
    "read_instances": "instance",
    "search_volumes": "volume",
    "read_volumes": "volume",
    "list_nics": "nic",
    "find_tags": "tag",
}
"""Reads whose answer is kept, with the kind of resource that they read."""

ALWAYS_ASKED = (
    "read_jobs",
    "read_vpc",
    "upload_userdata",
    "read_machine_metrics",
    "measure_lag",
)
"""Calls that change no kind of resource, and whose answer is not kept."""

CHANGES: Mapping[str, tuple[str, ...]] = {
    "create_vpc": ("router", "quota"),
    "bind_eip_to_router": ("router", "eip"),
    "update_router": ("router", "eip", "forward"),
    "delete_vpc": ("router", "forward"),
    "create_vxnet": ("vxnet", "quota"),
    "join_router": ("vxnet", "router"),
    "leave_router": ("vxnet", "router"),
    "delete_vxnets": ("vxnet",),
    "add_port_forwards": ("forward", "router"),
    "delete_port_forwards": ("forward", "router"),
    "allocate_eip": ("eip", "quota"),
    "release_eips": ("eip",),
    "create_security_group": ("group", "quota"),
    "describe_security_group": ("group",),
    "add_rules": ("rule", "group"),
    "delete_rules": ("rule", "group"),
    "apply_security_group": ("group",),
    "delete_security_groups": ("group", "rule"),
    "create_loadbalancer": ("balancer", "quota"),
    "add_listeners": ("listener", "balancer"),
    "delete_listeners": ("listener", "backend", "balancer"),
    "add_backend": ("backend", "balancer"),
    "delete_backends": ("backend", "balancer"),
    "update_loadbalancer": ("balancer",),
    "delete_loadbalancers": ("balancer", "listener", "backend", "eip"),
    "create_keypair": ("keypair", "quota"),
    "delete_keypairs": ("keypair",),
    "run_instances": ("instance", "quota"),
    "terminate_instances": ("instance", "backend", "volume", "nic"),
    "delete_volumes": ("volume",),
    "create_tag": ("tag",),
    "attach_tag": ("tag",),
    "delete_tags": ("tag",),
}
"""The kinds that each change makes out of date, whether it succeeds or not."""


class _Memory:
    """Answers by method and arguments; threads may share it.

    An answer is kept only if its kind has not changed since the call was sent, so a read that a
    change has overtaken is not kept.
    """

    def __init__(self) -> None:
        self.has_changed = False
        self._lock = Lock()
        self._answers: dict[tuple[str, tuple[Any, ...]], Any] = {}
        self._changes: Counter[str] = Counter()
        self.check: Callable[[], None] = lambda: None  # called before each change

    def changes_of(self, kind: str) -> int:
        with self._lock:
            return self._changes[kind]

    def find(self, question: tuple[str, tuple[Any, ...]]) -> list[Any]:
        """Find a kept answer. Returns: a list with it as the only item, or an empty list."""
        with self._lock:
            return [self._answers[question]] if question in self._answers else []

    def keep(self, question: tuple[str, tuple[Any, ...]], answer: Any, changes: int) -> None:
        with self._lock:
            if self._changes[KINDS[question[0]]] == changes:
                self._answers[question] = answer

    def forget(self, *kinds: str) -> None:
        """Forget these kinds, or everything where none is named."""
        with self._lock:
            dropped = set(kinds or KINDS.values())
            self._changes.update(dropped)
            self._answers = {
                question: answer
                for question, answer in self._answers.items()
                if KINDS[question[0]] not in dropped
            }


class _Watched:
    """A cloud whose answers are kept, and served from memory if `answers_from_memory`."""

    def __init__(self, cloud: Cloud, memory: _Memory, *, answers_from_memory: bool) -> None:
        self._cloud, self._memory = cloud, memory
        self._answers_from_memory = answers_from_memory

    @property
    def zone(self) -> str:
        return self._cloud.zone

    @property
    def known(self) -> Cloud:
        return cast(Cloud, _Watched(self._cloud, self._memory, answers_from_memory=True))

    def forget(self) -> None:
        """Drop all kept answers."""
        self._memory.forget()

    def guard(self, check: Callable[[], None]) -> None:
        """Call `check` before each change."""
        self._memory.check = check

    @property
    def has_changed(self) -> bool:
        """Whether a change was sent, whatever its outcome."""
        return self._memory.has_changed

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._cloud, name)
        if name in KINDS:
            return self._reading(name, call)
        if name in ALWAYS_ASKED:
            return call
        return self._changing(call, CHANGES.get(name, ()))  # of an unknown change, everything

    def _reading(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def read(*args: Any) -> Any:
            question = (name, tuple(tuple(a) if isinstance(a, list) else a for a in args))
            if self._answers_from_memory and (kept := self._memory.find(question)):
                return kept[0]
            changes = self._memory.changes_of(KINDS[name])
            answer = call(*args)
            self._memory.keep(question, answer, changes)
            return answer

        return read

    def _changing(self, call: Callable[..., Any], kinds: tuple[str, ...]) -> Callable[..., Any]:
        def change(*args: Any, **kwargs: Any) -> Any:
            self._memory.check()
            self._memory.has_changed = True
            self._memory.forget(*kinds)
            try:
                return call(*args, **kwargs)
            finally:
                self._memory.forget(*kinds)

        return change


def remembering(cloud: Cloud) -> Cloud:
    """Return a cloud that keeps its answers; its `known` serves them again."""
    return cast(Cloud, _Watched(cloud, _Memory(), answers_from_memory=False))


def forget(cloud: Cloud) -> None:
    """Drop what a remembering cloud has kept, as after a pause in which others may change it."""
    if isinstance(cloud, _Watched):
        cloud.forget()


def guard(cloud: Cloud, check: Callable[[], None]) -> None:
    """Let a remembering cloud call `check` before each change, and make none if it raises."""
    if isinstance(cloud, _Watched):
        cloud.guard(check)


def has_changed(cloud: Cloud) -> bool:
    """Whether a remembering cloud has sent a change, whatever its outcome."""
    return isinstance(cloud, _Watched) and cloud.has_changed
