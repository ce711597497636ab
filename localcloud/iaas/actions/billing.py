"""Quotas, leases, the balance, and the jobs under way."""

from collections.abc import Mapping

from localcloud.clock import stamp
from localcloud.iaas import quotas
from localcloud.iaas.actions import backends, balancers, listeners, volumes
from localcloud.iaas.answers import Document, page
from localcloud.iaas.catalog import INSTANCE_TYPES, VALID_MEMORY_MIB, VALID_VCPUS
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import BadParameter, ResourceNotFound
from localcloud.iaas.jobs import Job
from localcloud.iaas.lifecycle import has_lease
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.records import Resource


def get_quota_left(cloud: Cloud, parameters: Parameters) -> Document:
    left = quotas.left(cloud)
    return {
        "quota_left_set": [
            {"resource_type": kind, "left": left[kind]} for kind in _kinds(cloud, parameters)
        ]
    }


def describe_quotas(cloud: Cloud, parameters: Parameters) -> Document:
    used = quotas.used(cloud)
    return page(
        parameters,
        "quota_set",
        _kinds(cloud, parameters),
        lambda kind: {
            "resource_type": kind,
            "quota": quotas.allowed(cloud, kind),
            "usage": used.get(kind, 0),
        },
    )


def _kinds(cloud: Cloud, parameters: Parameters) -> list[str]:
    kinds = parameters.texts("resource_types") or list(cloud.quotas)
    for kind in kinds:
        if kind not in cloud.quotas:
            raise BadParameter(f"resource type [{kind}] has no quota")
    return kinds


def get_resource_limit(cloud: Cloud, parameters: Parameters) -> Document:
    """Show the largest values that a request may have, whatever the quotas."""
    return {
        "resource_limits": {
            "valid_cpu_cores": list(VALID_VCPUS),
            "valid_memory_size": list(VALID_MEMORY_MIB),
            "valid_cpu_memory_pairs": {str(n): list(VALID_MEMORY_MIB) for n in VALID_VCPUS},
            "valid_instance_classes": sorted({t.instance_class for t in INSTANCE_TYPES.values()}),
            "valid_loadbalancer_types": list(range(balancers.LARGEST_TYPE + 1)),
            "max_loadbalancer_listeners": listeners.MOST_LISTENERS,
            "max_listener_backends": backends.MOST_OF_LISTENER,
            "max_volume_per_inst": volumes.MOST_OF_INSTANCE,
            "min_volume_size": volumes.SMALLEST_GIB,
            "max_volume_size": volumes.LARGEST_GIB,
        }
    }


def get_lease_info(cloud: Cloud, parameters: Parameters) -> Document:
    """Show whether billing has begun; only then a resource may be deleted."""
    resource = _billed(cloud, parameters.required_text("resource"))
    began = stamp(resource.leased_at) if resource.leased_at else None
    return {
        "lease_info": {
            "resource_id": resource.id,
            "status": "active" if has_lease(cloud, resource) else "pending",
            "lease_time": began,
            "renewal_time": began,
            "contract": {
                "contract_id": f"ct-{resource.id.split('-', 1)[1]}",
                "price": "0.0000",
                "duration": "1h",
                "start_time": began,
            },
        }
    }


def _billed(cloud: Cloud, resource_id: str) -> Resource:
    state = cloud.state
    tables: tuple[Mapping[str, Resource], ...] = (
        state.instances,
        state.routers,
        state.eips,
        state.loadbalancers,
        state.volumes,
    )
    for table in tables:
        if resource := table.get(resource_id):
            return resource
    raise ResourceNotFound(resource_id)


def get_balance(cloud: Cloud, parameters: Parameters) -> Document:
    """Show the balance, which never changes: the local cloud costs nothing."""
    return {
        "user_id": cloud.account.user_id,
        "balance": "1000.0000",
        "bonus": "0.0000",
        "coupons": [],
    }


def describe_jobs(cloud: Cloud, parameters: Parameters) -> Document:
    wanted, statuses = set(parameters.texts("jobs")), set(parameters.texts("status"))
    action = parameters.text("job_action")
    found = [
        job
        for job in cloud.jobs.by_id.values()
        if (not wanted or job.id in wanted)
        and (not statuses or job.status in statuses)
        and (not action or job.action == action)
    ]
    return page(parameters, "job_set", found, lambda job: _job(cloud, job))


def _job(cloud: Cloud, job: Job) -> Document:
    return {
        "job_id": job.id,
        "job_action": job.action,
        "create_time": stamp(job.created_at),
        "status_time": stamp(job.status_at),
        "resource_ids": " ".join(job.resource_ids),  # one text, not a list
        "owner": cloud.account.user_id,
        "status": job.status,
        "error_codes": job.error_codes,
        "directive": "",
    }


ACTIONS = {
    "GetQuotaLeft": get_quota_left,
    "DescribeQuotas": describe_quotas,
    "GetResourceLimit": get_resource_limit,
    "GetLeaseInfo": get_lease_info,
    "GetBalance": get_balance,
    "DescribeJobs": describe_jobs,
}
