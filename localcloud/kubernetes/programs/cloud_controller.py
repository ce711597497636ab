"""QingCloud's cloud controller manager, as version 1.4.22 was seen: Services of type LoadBalancer.

It keeps a load balancer for each of them, with a listener for each port and the nodes as backends.
It makes no other call than the real one, and has no other controllers.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from localcloud.kubernetes.client.informer import Key, Obj
from localcloud.kubernetes.client.writes import merge
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import NODE, SERVICE
from localcloud.kubernetes.programs.cloud_api import LOOK, CloudApi, Refused
from localcloud.kubernetes.programs.place import Broken, Place
from localcloud.kubernetes.programs.syncing import Controller

KEY_FILE = "/etc/qingcloud/config.yaml"
FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
INSTANCE = "node.beta.kubernetes.io/instance-id"
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
COMMON_GROUP = "k8s_lb_default_sg"
ALLOCATED = "k8s_lb_allocate_eip"
NOTE = "service.beta.kubernetes.io/qingcloud-load-balancer-"
LIVING = ("pending", "active", "stopped")
OWN_SEGMENT = "198.19."
"""Private addresses of public balancers begin with it; they are not shown to users."""
EIP_LOOKS = 100

Target = tuple[str, int]
"""An instance and a port of it."""


class CloudController(Controller):
    """Lets the balancers of an account follow the Services of one cluster."""

    def __init__(self, place: Place) -> None:
        super().__init__(place, "service-controller")
        self._services, self._nodes = self._informers.of(SERVICE), self._informers.of(NODE)
        self._settled: dict[Key, tuple[Any, ...]] = {}
        self._cloud: CloudApi
        self._settings: Mapping[str, Any] = {}
        self._owner = self._group_id = ""

    async def run(self) -> None:
        """Run until cancelled. Raises `Broken` for wrong settings or a wrong key."""
        await self._begin()
        await self._run((self._services, self._nodes), self._sync_all)

    async def _begin(self) -> None:
        self._settings = await self._place.read_settings(self._place.flag("cloud-config"))
        for name in ("zone", "defaultVxNetForLB", "clusterID"):
            if not self._settings.get(name):
                raise Broken(f"the cloud config has no {name}")
        self._cloud = CloudApi(await self._place.read_settings(KEY_FILE), self._place.clock)
        try:
            keys = await self._cloud.call("DescribeAccessKeys", access_keys=[self._cloud.key_id])
            self._owner = keys["access_key_set"][0]["owner"]
            self._group_id = await self._ensure_group()
        except (Refused, IndexError, KeyError) as error:
            raise Broken(f"could not init cloud provider: {error}") from error

    async def _ensure_group(self) -> str:
        found = await self._cloud.call("DescribeSecurityGroups", search_word=COMMON_GROUP)
        for one in found["security_group_set"]:
            if one["security_group_name"] == COMMON_GROUP:
                return str(one["security_group_id"])
        made = await self._cloud.call("CreateSecurityGroup", security_group_name=COMMON_GROUP)
        group_id = str(made["security_group_id"])
        ports: dict[str, str | int] = {"priority": 0, "action": "accept", "val1": 1, "val2": 65535}
        rules: list[Mapping[str, str | int]] = [
            {"protocol": "icmp", **ports, "val1": 8, "val2": 0},
            {"protocol": "tcp", **ports},
            {"protocol": "udp", **ports},
        ]
        await self._cloud.call("AddSecurityGroupRules", security_group=group_id, rules=rules)
        await self._cloud.done("ApplySecurityGroup", security_group=group_id)
        return group_id

    async def _sync_all(self, group: asyncio.TaskGroup) -> None:
        for key, service in list(self._services.objects.items()):
            try:
                await self._sync(key, service)
            except (Refused, ApiFailure) as error:
                if isinstance(error, Refused):
                    text = f"Error syncing load balancer: {error}"
                    self._events.record(
                        SERVICE, service, "SyncLoadBalancerFailed", text, warning=True
                    )
                group.create_task(self._wake_later())
        for key in self._settled.keys() - self._services.objects.keys():
            del self._settled[key]

    async def _sync(self, key: Key, service: Obj) -> None:
        meta, spec = service["metadata"], service["spec"]
        finalizers = meta.get("finalizers") or []
        if spec.get("type") != "LoadBalancer" or meta.get("deletionTimestamp"):
            if FINALIZER in finalizers:
                await self._delete(service)
                kept = [one for one in finalizers if one != FINALIZER]
                await merge(
                    self._api, SERVICE, service, {"metadata": {"finalizers": kept}}, "status"
                )
            return
        wanted = (
            meta["uid"], spec["ports"], meta.get("annotations"), self._backends(),
            (service.get("status") or {}).get("loadBalancer"),
        )  # fmt: skip
        if self._settled.get(key) == wanted:
            return
        if FINALIZER not in finalizers:
            change = {"metadata": {"finalizers": [*finalizers, FINALIZER]}}
            service = await merge(self._api, SERVICE, service, change, "status")
        await self._ensure(service)
        self._settled[key] = wanted

    def _backends(self) -> list[tuple[str, str]]:
        """Return the nodes that take connections, each with its instance or, unknown, its name."""
        return sorted(
            (name, (node["metadata"].get("annotations") or {}).get(INSTANCE, name))
            for (_, name), node in self._nodes.objects.items()
            if EXCLUDED not in (node["metadata"].get("labels") or {}) and _is_ready(node)
        )

    # Balancers

    def _name(self, service: Obj) -> str:
        meta = service["metadata"]
        return (
            f"k8s_lb_{self._settings['clusterID']}_{meta['namespace']}_{meta['name']}_"
            f"{meta['uid'][:8]}"
        )

    async def _find(self, service: Obj) -> Obj | None:
        name = self._name(service)
        found = await self._cloud.call(
            "DescribeLoadBalancers",
            search_word=name, owner=self._owner, status=LIVING, verbose=2,
        )  # fmt: skip
        matching = [one for one in found["loadbalancer_set"] if one["loadbalancer_name"] == name]
        return matching[0] if matching else None

    async def _ensure(self, service: Obj) -> None:
        balancer = await self._find(service)
        if balancer is None:
            self._events.record(SERVICE, service, "EnsuringLoadBalancer", "Ensuring load balancer")
            await self._create(service)
            balancer = await self._find(service)
            if balancer is None:
                raise Refused("the load balancer does not show yet")
        changed = await self._ensure_listeners(service, balancer)
        if changed or not balancer.get("is_applied", 1):
            await self._cloud.done(
                "UpdateLoadBalancers", loadbalancers=[balancer["loadbalancer_id"]]
            )
        shown = [{"ip": address, "ipMode": "VIP"} for address in _addresses(balancer)]
        if (service.get("status") or {}).get("loadBalancer", {}).get("ingress") != shown:
            change = {"status": {"loadBalancer": {"ingress": shown}}}
            await merge(self._api, SERVICE, service, change, "status")
            self._events.record(SERVICE, service, "EnsuredLoadBalancer", "Ensured load balancer")

    async def _create(self, service: Obj) -> None:
        notes = service["metadata"].get("annotations") or {}
        place: dict[str, Any] = {}
        if notes.get(f"{NOTE}network-type", "public") == "internal":
            place["vxnet"] = notes.get(f"{NOTE}vxnet-id") or self._settings["defaultVxNetForLB"]
            if address := notes.get(f"{NOTE}internal-ip"):
                place["private_ip"] = address
        else:
            place["eips"] = await self._eips(notes)
        await self._cloud.done(
            "CreateLoadBalancer",
            loadbalancer_name=self._name(service),
            loadbalancer_type=int(notes.get(f"{NOTE}type", 0)),
            mode=1,
            cluster_mode=0,
            node_count=2,
            security_group=str(self._settings.get("securityGroupID") or self._group_id),
            **place,
        )

    async def _eips(self, notes: Mapping[str, str]) -> list[str]:
        if given := notes.get(f"{NOTE}eip-ids"):
            return given.split(",")
        source = notes.get(f"{NOTE}eip-source", "manual")
        if source in ("auto", "use-available"):
            found = await self._cloud.call("DescribeEips", owner=self._owner, status=["available"])
            if free := [one["eip_id"] for one in found["eip_set"]]:
                return [str(free[0])]
        if source in ("auto", "allocate"):
            made = await self._cloud.call(
                "AllocateEips", bandwidth=2, billing_mode="bandwidth", count=1, eip_name=ALLOCATED
            )
            eips = [str(one) for one in made["eips"]]
            await self._wait_for_eips(eips)
            return eips
        raise Refused("you must specify eip-ids, or an eip-source, for a public load balancer")

    async def _wait_for_eips(self, eips: list[str]) -> None:
        for _ in range(EIP_LOOKS):
            found = await self._cloud.call("DescribeEips", eips=eips)
            if all(one["status"] == "available" for one in found["eip_set"]):
                return
            await self._place.clock.sleep(LOOK)
        raise Refused(f"the addresses {', '.join(eips)} are not available")

    async def _ensure_listeners(self, service: Obj, balancer: Obj) -> bool:
        """Let listeners and backends fit the Service. Returns: whether any of them changed."""
        balancer_id, ports = balancer["loadbalancer_id"], service["spec"]["ports"]
        found = await self._cloud.call("DescribeLoadBalancerListeners", loadbalancer=balancer_id)
        present = {one["listener_port"]: one for one in found["loadbalancer_listener_set"]}
        gone = [
            one["loadbalancer_listener_id"]
            for port, one in present.items()
            if port not in {wanted["port"] for wanted in ports}
        ]
        if gone:
            await self._cloud.call("DeleteLoadBalancerListeners", loadbalancer_listeners=gone)
        changed = bool(gone)
        for wanted in ports:
            listener = present.get(wanted["port"])
            if listener is None:
                listener_id = await self._add_listener(service, balancer_id, wanted)
                changed = True
            else:
                listener_id = listener["loadbalancer_listener_id"]
            changed = await self._ensure_backends(listener_id, wanted["nodePort"]) or changed
        return changed

    async def _add_listener(self, service: Obj, balancer_id: str, port: Obj) -> str:
        meta, protocol = service["metadata"], str(port.get("protocol", "TCP")).lower()
        listener: dict[str, str | int] = {
            "loadbalancer_listener_name": f"listener_{meta['namespace']}_{meta['name']}_",
            "listener_port": port["port"],
            "listener_protocol": protocol,
            "backend_protocol": protocol,
            "balance_mode": "roundrobin",
            "forwardfor": 0,
            "healthy_check_method": protocol,
            "healthy_check_option": "10|5|2|5",
            "listener_option": 0,
            "scene": 0,
            "session_sticky": "",
            "timeout": 50,
        }
        made = await self._cloud.call(
            "AddLoadBalancerListeners", loadbalancer=balancer_id, listeners=[listener]
        )
        return str(made["loadbalancer_listeners"][0])

    async def _ensure_backends(self, listener_id: str, port: int) -> bool:
        found = await self._cloud.call(
            "DescribeLoadBalancerBackends", loadbalancer_listener=listener_id
        )
        present: dict[Target, str] = {
            (one["resource_id"], one["port"]): one["loadbalancer_backend_id"]
            for one in found["loadbalancer_backend_set"]
        }
        wanted = {(instance, port): name for name, instance in self._backends()}
        gone = [backend for target, backend in present.items() if target not in wanted]
        if gone:
            await self._cloud.call("DeleteLoadBalancerBackends", loadbalancer_backends=gone)
        added: Sequence[Mapping[str, str | int]] = [
            {"loadbalancer_backend_name": name, "resource_id": instance, "port": port, "weight": 1}
            for (instance, _), name in wanted.items()
            if (instance, port) not in present
        ]
        if added:
            await self._cloud.call(
                "AddLoadBalancerBackends", loadbalancer_listener=listener_id, backends=added
            )
        return bool(gone or added)

    async def _delete(self, service: Obj) -> None:
        balancer = await self._find(service)
        if balancer is None:
            return
        self._events.record(SERVICE, service, "DeletingLoadBalancer", "Deleting load balancer")
        eips = [one["eip_id"] for one in _public(balancer)]
        await self._cloud.done("DeleteLoadBalancers", loadbalancers=[balancer["loadbalancer_id"]])
        if eips:
            found = await self._cloud.call("DescribeEips", eips=eips)
            own = [one["eip_id"] for one in found["eip_set"] if one["eip_name"] == ALLOCATED]
            if own:
                await self._cloud.done("ReleaseEips", eips=own)


def _public(balancer: Obj) -> list[Obj]:
    return [*(balancer.get("cluster") or ()), *(balancer.get("eips") or ())]


def _addresses(balancer: Obj) -> list[str]:
    private = [one for one in balancer["private_ips"] if not one.startswith(OWN_SEGMENT)]
    return [*private, *(one["eip_addr"] for one in _public(balancer))]


def _is_ready(node: Obj) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
