"""The part of a description about add-ons: none is installed that is not named."""

from collections.abc import Iterator

from pydantic import Field

from domain.spec.part import Part, Whole

_TAG = r":[A-Za-z0-9_][A-Za-z0-9._-]*(@sha256:[0-9a-f]{64})?"
IMAGE = rf"^[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9._-]+)+{_TAG}$"
"""A registry with a path, and a version: a name without these changes under one's feet."""

_ACCOUNT = "The saved QingCloud Account block of a sub-account, whose key is kept in the cluster; "
_ACCOUNT += "that of ADDONS_ACCESS_KEY_ID and ADDONS_SECRET_ACCESS_KEY where it is empty"


class MetricsServer(Part):
    """metrics-server: `kubectl top`, and HorizontalPodAutoscalers by processor and memory."""

    image: str = Field(
        "registry.k8s.io/metrics-server/metrics-server:v0.8.0",
        pattern=IMAGE,
        description="Its image, with a version",
    )


class CloudController(Part):
    """QingCloud's cloud controller manager: load balancers for Services of type LoadBalancer."""

    account: str = Field("", pattern="^[a-z0-9-]*$", description=_ACCOUNT)
    image: str = Field(
        "docker.io/qingcloud/cloud-controller-manager:v1.4.22",
        pattern=IMAGE,
        description="Its image, with a version",
    )
    security_group: str = Field(
        "",
        pattern="^(sg-[a-z0-9]+)?$",
        description="The group of the load balancers, by its id; if empty, one that the controller "
        "makes, open to everybody",
    )


class Csi(Part):
    """QingCloud's CSI driver: volumes for claims, by the StorageClass `qingcloud`."""

    account: str = Field("", pattern="^[a-z0-9-]*$", description=_ACCOUNT)
    image: str = Field(
        "docker.io/csiplugin/csi-qingcloud:v1.4.1",
        pattern=IMAGE,
        description="Its image, with a version",
    )
    volume_type: Whole = Field(
        200, ge=0, le=200, description="QingCloud's type of volume; 200 is an enterprise SSD"
    )
    provisioner_image: str = Field(
        "registry.k8s.io/sig-storage/csi-provisioner:v5.3.0",
        pattern=IMAGE,
        description="Image of its side-car that makes volumes",
    )
    attacher_image: str = Field(
        "registry.k8s.io/sig-storage/csi-attacher:v4.9.0",
        pattern=IMAGE,
        description="Image of its side-car that attaches them",
    )
    resizer_image: str = Field(
        "registry.k8s.io/sig-storage/csi-resizer:v1.14.0",
        pattern=IMAGE,
        description="Image of its side-car that enlarges them",
    )
    registrar_image: str = Field(
        "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.14.0",
        pattern=IMAGE,
        description="Image of its side-car on each node",
    )


class AddOns(Part):
    """The add-ons that the cluster has; one with nothing behind its name is removed."""

    metrics_server: MetricsServer | None = None
    cloud_controller: CloudController | None = None
    csi: Csi | None = None

    @property
    def wanted(self) -> Iterator[MetricsServer | CloudController | Csi]:
        """Those that are named."""
        yield from (one for one in (self.metrics_server, self.cloud_controller, self.csi) if one)
