"""Start, stop, resize and publish load balancers; every change takes effect at once."""

from localcloud.iaas.actions.balancers import LARGEST_TYPE, require_free
from localcloud.iaas.actions.eips import ASSOCIATE, DISSOCIATE, unpublish
from localcloud.iaas.answers import Document
from localcloud.iaas.balancer_records import LoadBalancer
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import JobFailure, PermissionDenied
from localcloud.iaas.lifecycle import Step, begin, require_settled
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.publication import eips_of, refresh_balancer
from localcloud.iaas.records import Eip

START = Step(("stopped",), "starting", "active", "change_loadbalancer")
STOP = Step(("active",), "stopping", "stopped", "change_loadbalancer")
RESIZE = Step(("active", "stopped"), "updating", "", "change_loadbalancer")


def _read(cloud: Cloud, parameters: Parameters) -> list[LoadBalancer]:
    return cloud.state.loadbalancers.read_all(parameters.required_texts("loadbalancers"))


def start_loadbalancers(cloud: Cloud, parameters: Parameters) -> Document:
    async def start(balancer: LoadBalancer) -> None:
        balancer.become("active", cloud.now())  # first: a stopped balancer publishes nothing
        await refresh_balancer(cloud, balancer)
        cloud.balancers.refresh(balancer)

    return {"job_id": begin(cloud, "StartLoadBalancers", _read(cloud, parameters), START, start)}


def stop_loadbalancers(cloud: Cloud, parameters: Parameters) -> Document:
    async def stop(balancer: LoadBalancer) -> None:
        cloud.balancers.stop(balancer.id)
        await cloud.public.publish(balancer.id, tuple)

    return {"job_id": begin(cloud, "StopLoadBalancers", _read(cloud, parameters), STOP, stop)}


def resize_loadbalancers(cloud: Cloud, parameters: Parameters) -> Document:
    kind = parameters.required_integer("loadbalancer_type", high=LARGEST_TYPE)

    async def resize(balancer: LoadBalancer) -> None:
        balancer.type = kind

    return {"job_id": begin(cloud, "ResizeLoadBalancers", _read(cloud, parameters), RESIZE, resize)}


def associate_eips_to_loadbalancer(cloud: Cloud, parameters: Parameters) -> Document:
    """Publish the listeners of a balancer on further public addresses."""
    balancer = cloud.state.loadbalancers.read(parameters.required_text("loadbalancer"))
    require_settled(balancer)
    eips = cloud.state.eips.read_all(parameters.required_texts("eips"))
    require_free(eips, already=len(eips_of(cloud, balancer.id)))

    async def associate(eip: Eip) -> None:
        eip.bound_to = (LoadBalancer.kind, balancer.id)
        try:
            await refresh_balancer(cloud, balancer)
        except JobFailure:
            eip.bound_to = ("", "")
            raise

    return {"job_id": begin(cloud, "AssociateEipsToLoadBalancer", eips, ASSOCIATE, associate)}


def dissociate_eips_from_loadbalancer(cloud: Cloud, parameters: Parameters) -> Document:
    balancer = cloud.state.loadbalancers.read(parameters.required_text("loadbalancer"))
    require_settled(balancer)
    eips = cloud.state.eips.read_all(parameters.required_texts("eips"))
    for eip in eips:
        if eip.bound_to != (LoadBalancer.kind, balancer.id):
            raise PermissionDenied(
                f"public IP [{eip.id}] is not associated to loadbalancer [{balancer.id}]"
            )

    async def dissociate(eip: Eip) -> None:
        await unpublish(cloud, eip)

    action = "DissociateEipsFromLoadBalancer"
    return {"job_id": begin(cloud, action, eips, DISSOCIATE, dissociate)}


ACTIONS = {
    "StartLoadBalancers": start_loadbalancers,
    "StopLoadBalancers": stop_loadbalancers,
    "ResizeLoadBalancers": resize_loadbalancers,
    "AssociateEipsToLoadBalancer": associate_eips_to_loadbalancer,
    "DissociateEipsFromLoadBalancer": dissociate_eips_from_loadbalancer,
}
