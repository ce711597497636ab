"""The actions of the API, one module for each noun, found by their name on the wire."""

from collections.abc import Callable, Mapping

from localcloud.iaas.actions import (
    accesskeys,
    backends,
    balancer_changes,
    balancers,
    billing,
    certificates,
    eips,
    groups,
    images,
    instances,
    joining,
    keypairs,
    listeners,
    members,
    monitoring,
    nics,
    offers,
    policies,
    reshaping,
    routers,
    rules,
    running,
    snapshots,
    statics,
    tags,
    userdata,
    volumes,
    vxnets,
)
from localcloud.iaas.answers import Document
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.parameters import Parameters

Action = Callable[[Cloud, Parameters], Document]

ACTIONS: Mapping[str, Action] = {
    **accesskeys.ACTIONS,
    **offers.ACTIONS,
    **images.ACTIONS,
    **billing.ACTIONS,
    **vxnets.ACTIONS,
    **routers.ACTIONS,
    **joining.ACTIONS,
    **statics.ACTIONS,
    **eips.ACTIONS,
    **groups.ACTIONS,
    **rules.ACTIONS,
    **balancers.ACTIONS,
    **balancer_changes.ACTIONS,
    **listeners.ACTIONS,
    **backends.ACTIONS,
    **policies.ACTIONS,
    **certificates.ACTIONS,
    **running.ACTIONS,
    **instances.ACTIONS,
    **members.ACTIONS,
    **reshaping.ACTIONS,
    **volumes.ACTIONS,
    **snapshots.ACTIONS,
    **nics.ACTIONS,
    **monitoring.ACTIONS,
    **keypairs.ACTIONS,
    **userdata.ACTIONS,
    **tags.ACTIONS,
}
