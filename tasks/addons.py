"""Steps of add-ons: their keys, their objects, and what they have made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blocks.accounts import QingCloudAccount, open_addon_account
from domain.cloud.addons import Requests
from domain.cluster.addon_install import (
    ensure_objects,
    find_installed,
    find_trouble,
    remove_objects,
)
from domain.cluster.addon_objects import (
    KEYS,
    AddOn,
    ApiKey,
    CloudPlace,
    addon_objects,
    key_secret,
    wanted_addons,
    with_key,
)
from domain.cluster.addons import end_requests, read_requests
from domain.cluster.api import SYSTEM
from domain.kernel.ensured import Ensured
from domain.kernel.errors import BadRequest, InvalidSpec
from domain.kernel.texts import first_of
from tasks.cluster import Cluster
from tasks.installers import addon_manifest
from tasks.steps import run_logger, step

OWN_KEY = (
    "the key of add-on {addon} is the account's own: whoever can read Secrets in kube-system can "
    "do with it all that the account can; docs/add-ons.md lists what a sub-account's key needs"
)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of add-ons that a run can use; an add-on without one keeps that in the cluster."""

    of: Mapping[AddOn, ApiKey] = field(default_factory=dict, repr=False)


def read_manifests() -> Mapping[AddOn, str]:
    """The manifests of all add-ons. Raises `BadRequest` where one is missing."""
    return {addon: addon_manifest(addon.file) for addon in AddOn}


def installed_addons(cluster: Cluster) -> frozenset[AddOn]:
    """The add-ons of ours that the cluster has."""
    return find_installed(cluster.api(), read_manifests())


@step("keys of add-ons of {cluster.name}")
def check_keys(cluster: Cluster, *, is_running: bool) -> Ensured[Keys]:
    """Find the keys of the wanted add-ons, and check each with one call.

    Args:
        is_running: whether the cluster's API answers, and may hold keys from an earlier run.

    Raises:
        InvalidSpec: there is none, or it is for another zone or cloud.
        AccessDenied: the cloud refuses it.
    """
    read_manifests()
    keys: dict[AddOn, ApiKey] = {}
    accounts: dict[str, QingCloudAccount] = {}
    words = []
    for addon, part in wanted_addons(cluster.spec.addons).items():
        if addon not in KEYS:
            continue
        wish = str(getattr(part, "account", ""))
        if wish not in accounts:
            account = open_addon_account(wish, cluster.account)
            if account is None and is_running and _has_key(cluster, addon):
                words.append(f"{addon}: the one in the cluster")
                continue
            accounts[wish] = _checked(cluster, addon, wish, account)
        account = accounts[wish]
        keys[addon] = ApiKey(account.access_key_id, account.secret_access_key.get_secret_value())
        words.append(f"{addon}: {account.access_key_id}")
        if account.access_key_id == cluster.account.access_key_id:
            run_logger().warning(OWN_KEY.format(addon=addon))
            words[-1] += ", the account's own; a sub-account's can do less harm"
    return Ensured(Keys(keys), "; ".join(words) or "none is needed")


def _has_key(cluster: Cluster, addon: AddOn) -> bool:
    return cluster.api().read("Secret", KEYS[addon], SYSTEM) is not None


def _checked(
    cluster: Cluster, addon: AddOn, wish: str, account: QingCloudAccount | None
) -> QingCloudAccount:
    """Check the account of an add-on against the cluster's. Raises as `check_keys` does."""
    if account is None:
        raise InvalidSpec(
            f"addons.{addon} needs an API key of its own: save a QingCloud Account block with a "
            f"sub-account's key and name it as addons.{addon}.account, or set "
            "ADDONS_ACCESS_KEY_ID and ADDONS_SECRET_ACCESS_KEY"
        )
    refuse_elsewhere(cluster, addon, wish, account)
    if account.access_key_id != cluster.account.access_key_id:
        with account.client() as cloud:
            cloud.read_user()
    return account


def refuse_elsewhere(cluster: Cluster, addon: AddOn, wish: str, account: QingCloudAccount) -> None:
    """Refuse a key for another zone or cloud than the cluster's. Raises `InvalidSpec`."""
    for what in ("zone", "endpoint"):
        theirs, ours = getattr(account, what), getattr(cluster.account, what)
        if theirs.rstrip("/") != ours.rstrip("/"):
            raise InvalidSpec(
                f"addons.{addon}.account {wish or 'of the environment'} is for {what} {theirs}, "
                f"and cluster {cluster.name} is in {ours}; use a key for {ours}"
            )


@step("add-on {addon} of {cluster.name}")
def install_addon(cluster: Cluster, addon: AddOn, keys: Keys) -> Ensured[None]:
    """Create or change an add-on, and wait until it works."""
    objects = _objects(cluster, addon)
    place = _place(cluster)
    if key := keys.of.get(addon):
        objects = with_key([objects[0], key_secret(addon, key, place), *objects[1:]], key.id)
    return ensure_objects(cluster.api(), addon, objects, cluster.clock)


def find_addon_trouble(cluster: Cluster, addon: AddOn) -> str:
    """Why a wanted add-on does not work; empty where it does."""
    return find_trouble(cluster.api(), addon, _objects(cluster, addon))


def _objects(cluster: Cluster, addon: AddOn) -> list[dict[str, Any]]:
    part = wanted_addons(cluster.spec.addons)[addon]
    return addon_objects(part, addon_manifest(addon.file), _place(cluster))


def _place(cluster: Cluster) -> CloudPlace:
    vxnets = cluster.inventory().vxnets
    return CloudPlace(
        cluster=cluster.name,
        zone=cluster.account.zone,
        endpoint=cluster.account.endpoint,
        vxnet_id=vxnets[0].id if vxnets else "",
    )


def requests_of(cluster: Cluster, addon: AddOn) -> Requests:
    """What the cluster's users have asked one add-on for."""
    found = read_requests(cluster.api()) if addon in KEYS else Requests()
    if addon is AddOn.CLOUD_CONTROLLER:
        return Requests(services=found.services)
    return Requests(claims=found.claims if addon is AddOn.CSI else ())


def refuse_used(cluster: Cluster, addon: AddOn) -> None:
    """Refuse to remove an add-on that something still needs: what it has made would be left.

    Raises:
        BadRequest: names the Services or claims, and how to remove them with it.
    """
    requests = requests_of(cluster, addon)
    names = [f"Service {one.full_name}" for one in requests.services]
    names += [f"claim {one.full_name}" for one in requests.claims]
    if names:
        raise BadRequest(
            f"add-on {addon} cannot be removed while it is used by {first_of(names)}; delete "
            f"these first, or remove it together with them: python -m flows.addons --name "
            f"{cluster.name} --remove {addon.value.replace('_', '-')}"
        )


def refuse_attached(cluster: Cluster, addon: AddOn) -> None:
    """Refuse to delete claims that pods use, or whose volumes are to outlive them.

    Raises:
        BadRequest: names them.
    """
    claims = requests_of(cluster, addon).claims
    names = [one.full_name for one in claims if one.is_attached or one.is_retained]
    if names:
        raise BadRequest(
            f"claims {first_of(names)} are in use by pods, or their volumes are to outlive them; "
            f"delete the pods, and volumes of policy Retain, before add-on {addon} is removed"
        )


@step("what add-on {addon} has made for {cluster.name}")
def end_made(cluster: Cluster, addon: AddOn) -> Ensured[None]:
    """Delete its Services or claims, and wait for it to clean up in the cloud.

    Raises:
        BadRequest: some are left.
    """
    done = end_requests(cluster.api(), requests_of(cluster, addon), cluster.clock)
    refuse_used(cluster, addon)
    return done


@step("add-on {addon} of {cluster.name}, which is not wanted")
def remove_addon(cluster: Cluster, addon: AddOn) -> Ensured[None]:
    return remove_objects(cluster.api(), addon, addon_manifest(addon.file))
