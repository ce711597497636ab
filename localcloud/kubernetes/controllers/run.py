"""All controllers of one cluster as one group of tasks."""

import asyncio
import logging
from typing import Protocol

from localcloud.clock import Clock
from localcloud.kubernetes.client.informer import Informers
from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.controllers.api_services import ApiServiceController
from localcloud.kubernetes.controllers.attaching import AttachController
from localcloud.kubernetes.controllers.context import Context
from localcloud.kubernetes.controllers.daemonset import DaemonSetController
from localcloud.kubernetes.controllers.deployment import DeploymentController
from localcloud.kubernetes.controllers.disruption import DisruptionController
from localcloud.kubernetes.controllers.endpoints import EndpointsController
from localcloud.kubernetes.controllers.evictions import EvictionController
from localcloud.kubernetes.controllers.garbage import GarbageCollector
from localcloud.kubernetes.controllers.join_tokens import JoinTokenController
from localcloud.kubernetes.controllers.namespaces import NamespaceController
from localcloud.kubernetes.controllers.nodes import NodeController
from localcloud.kubernetes.controllers.replication import ReplicaController
from localcloud.kubernetes.controllers.scheduler import Scheduler
from localcloud.kubernetes.controllers.serviceaccounts import ServiceAccountController
from localcloud.kubernetes.controllers.volumes import VolumeController
from localcloud.kubernetes.objects.kinds import REPLICA_SET, REPLICATION_CONTROLLER
from localcloud.profiles import Profile

log = logging.getLogger(__name__)


class ClusterConfig(Protocol):
    """The cluster settings that the controllers need."""

    @property
    def name(self) -> str: ...
    @property
    def ca_certificate(self) -> bytes: ...
    @property
    def pod_cidr(self) -> str: ...
    @property
    def node_cidr_mask(self) -> int: ...


class Controller(Protocol):
    async def run(self) -> None: ...


async def run_controllers(
    api: ApiClient, clock: Clock, profile: Profile, config: ClusterConfig
) -> None:
    """Run the scheduler and all controllers of a cluster until cancelled.

    An error in the work on one object is logged and retried; any other error is a defect, and ends
    the group.
    """
    context = Context(api, clock, Informers(api))
    controllers: tuple[Controller, ...] = (
        ServiceAccountController(context, config.ca_certificate),
        NamespaceController(context),
        JoinTokenController(context),
        NodeController(context, config.pod_cidr, config.node_cidr_mask),
        EvictionController(context),
        Scheduler(context),
        ReplicaController(context, REPLICATION_CONTROLLER),
        ReplicaController(context, REPLICA_SET),
        DeploymentController(context),
        DaemonSetController(context),
        EndpointsController(context),
        DisruptionController(context),
        GarbageCollector(context),
        VolumeController(context),
        AttachController(context),
        ApiServiceController(context),
    )
    async with asyncio.TaskGroup() as group:
        await context.informers.run(group)
        log.info("controllers of %s run", config.name)
        for controller in controllers:
            group.create_task(controller.run(), name=type(controller).__name__)
