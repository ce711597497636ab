"""The Kubernetes objects of each add-on: a manifest of ours, with its key and settings."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from string import Template
from typing import Any
from urllib.parse import urlsplit

import yaml

from domain.cluster.api import SYSTEM, Manifest
from domain.spec.addons import AddOns, CloudController, Csi, MetricsServer

PORTS = {"https": 443, "http": 80}


class AddOn(StrEnum):
    """The add-ons, by their names in a description, in the order of their installation."""

    METRICS_SERVER = "metrics_server"
    CLOUD_CONTROLLER = "cloud_controller"
    CSI = "csi"

    @property
    def file(self) -> str:
        """The name of its manifest."""
        return f"{self.value.replace('_', '-')}.yaml"


KEYS = {AddOn.CLOUD_CONTROLLER: "cloud-controller-key", AddOn.CSI: "csi-qingcloud"}
"""The Secrets with the API key of add-ons that call the cloud."""
SETTINGS = "cloud-controller-settings"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of the cloud's API, which an add-on keeps in the cluster."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CloudPlace:
    """Where the add-ons of a cluster find the cloud, and make what they make.

    Attributes:
        cluster: part of the names of load balancers.
        vxnet_id: of load balancers that are not public.
    """

    cluster: str
    zone: str
    endpoint: str
    vxnet_id: str


def wanted_addons(addons: AddOns) -> Mapping[AddOn, MetricsServer | CloudController | Csi]:
    """The add-ons of a description, by their names."""
    found = {one: getattr(addons, one.value) for one in AddOn}
    return {name: part for name, part in found.items() if part is not None}


def addon_objects(
    part: MetricsServer | CloudController | Csi, text: str, place: CloudPlace
) -> list[dict[str, Any]]:
    """The objects of an add-on without its key, in the order of their creation.

    Args:
        text: its manifest.
    """
    settings: dict[str, str] = {}
    if isinstance(part, CloudController):
        settings[SETTINGS] = _controller_settings(part, place)
    values = {
        "IMAGE": part.image,
        "SETTINGS": _digest([settings, place.zone, place.endpoint]),
    }
    if isinstance(part, Csi):
        values |= {
            "PROVISIONER_IMAGE": part.provisioner_image,
            "ATTACHER_IMAGE": part.attacher_image,
            "RESIZER_IMAGE": part.resizer_image,
            "REGISTRAR_IMAGE": part.registrar_image,
            "VOLUME_TYPE": str(part.volume_type),
        }
    quoted = {name: json.dumps(value) for name, value in values.items()}
    documents = [one for one in yaml.safe_load_all(Template(text).substitute(quoted)) if one]
    maps = [_config_map(name, {"qingcloud.yaml": text}) for name, text in settings.items()]
    return [documents[0], *maps, *documents[1:]]


def key_secret(addon: AddOn, key: ApiKey, place: CloudPlace) -> dict[str, Any]:
    """The Secret with the key of an add-on, in the form of QingCloud's own programs."""
    parts = urlsplit(place.endpoint)
    document = {
        "qy_access_key_id": key.id,
        "qy_secret_access_key": key.secret,
        "zone": place.zone,
        "host": parts.hostname,
        "port": parts.port or PORTS[parts.scheme],
        "protocol": parts.scheme,
        "uri": parts.path.rstrip("/") or "/iaas",
        "connection_retries": 3,
        "connection_timeout": 30,
        "log_level": "info",
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": KEYS[addon], "namespace": SYSTEM},
        "type": "Opaque",
        "stringData": {"config.yaml": yaml.safe_dump(document, sort_keys=False)},
    }


def with_key(objects: list[dict[str, Any]], key_id: str) -> list[dict[str, Any]]:
    """Let pods start anew with another key; its id is no secret."""
    for one in objects:
        template = (one.get("spec") or {}).get("template") or {}
        notes = (template.get("metadata") or {}).get("annotations") or {}
        if "k8s-qingcloud/settings" in notes:
            notes["k8s-qingcloud/key"] = key_id
    return objects


def names_of(text: str) -> list[Manifest]:
    """The objects of a manifest as they are named, for their removal."""
    return [one for one in yaml.safe_load_all(Template(text).safe_substitute()) if one]


def _controller_settings(part: CloudController, place: CloudPlace) -> str:
    settings: dict[str, str | bool] = {
        "zone": place.zone,
        "defaultVxNetForLB": place.vxnet_id,
        "clusterID": place.cluster,
        "isApp": False,
    }
    if part.security_group:
        settings["securityGroupID"] = part.security_group
    return yaml.safe_dump(settings, sort_keys=False)


def _config_map(name: str, data: Mapping[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": SYSTEM}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
