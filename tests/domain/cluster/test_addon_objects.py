"""The objects of add-ons: complete, pinned, and with the key in one Secret alone."""

import json
from typing import Any

import pytest
import yaml

from clients.kubernetes.kinds import find_kind
from domain.cluster.addon_objects import (
    KEYS,
    AddOn,
    ApiKey,
    CloudPlace,
    addon_objects,
    key_secret,
    names_of,
    wanted_addons,
    with_key,
)
from domain.cluster.api import SYSTEM
from domain.spec.addons import AddOns, CloudController, Csi, MetricsServer
from tasks.installers import addon_manifest

ALL = AddOns(metrics_server=MetricsServer(), cloud_controller=CloudController(), csi=Csi())
PLACE = CloudPlace("demo", "pek3", "https://api.qingcloud.com:443/iaas/", "vxnet-1a2b3c4d")
KEY = ApiKey("KEYID", "the secret")


def objects_of(addon: AddOn, addons: AddOns = ALL, place: CloudPlace = PLACE) -> list[Any]:
    return addon_objects(wanted_addons(addons)[addon], addon_manifest(addon.file), place)


def find(objects: list[Any], kind: str, name: str = "") -> Any:
    return next(
        one for one in objects if one["kind"] == kind and name in ("", one["metadata"]["name"])
    )


@pytest.mark.parametrize("addon", AddOn)
def test_every_object_can_be_applied_and_removed(addon: AddOn) -> None:
    objects = objects_of(addon)
    assert objects[0]["kind"] == "ServiceAccount"  # by it an installed add-on is known
    for one in objects:
        assert find_kind(one["kind"]).namespaced == (one["metadata"].get("namespace") == SYSTEM)
        assert find_kind(one["kind"]).api_version == one["apiVersion"]
    made = {(one["kind"], one["metadata"]["name"]) for one in objects}
    named = {(one["kind"], one["metadata"]["name"]) for one in names_of(addon_manifest(addon.file))}
    assert made - named <= {("ConfigMap", "cloud-controller-settings")}


@pytest.mark.parametrize("addon", AddOn)
def test_every_account_and_every_mounted_file_is_there(addon: AddOn) -> None:
    objects = objects_of(addon)
    accounts = {one["metadata"]["name"] for one in objects if one["kind"] == "ServiceAccount"}
    files = {one["metadata"]["name"] for one in objects if one["kind"] == "ConfigMap"}
    secrets = {KEYS[addon]} if addon in KEYS else set()
    for one in objects:
        if one["kind"] in ("Deployment", "DaemonSet"):
            spec = one["spec"]["template"]["spec"]
            assert {spec.get("serviceAccountName")} <= accounts | {None}
            volumes = {volume["name"]: volume for volume in spec.get("volumes", ())}
            for container in spec["containers"]:
                mounts = {mount["name"] for mount in container.get("volumeMounts", ())}
                assert mounts <= volumes.keys()
                assert ":v" in container["image"]
            for volume in volumes.values():
                assert volume.get("secret", {}).get("secretName", "") in {"", *secrets}
                assert volume.get("configMap", {}).get("name", "") in {"", *files}
        for subject in one.get("subjects", ()):
            assert subject["name"] in accounts


def test_the_key_is_in_one_secret_and_is_never_shown() -> None:
    for addon in KEYS:
        objects = with_key(objects_of(addon), KEY.id)
        assert KEY.secret not in json.dumps(objects)
        secret = key_secret(addon, KEY, PLACE)
        assert secret["metadata"] == {"name": KEYS[addon], "namespace": SYSTEM}
        settings = yaml.safe_load(secret["stringData"]["config.yaml"])
        assert settings["qy_secret_access_key"] == KEY.secret
        assert (settings["zone"], settings["host"], settings["port"], settings["uri"]) == (
            "pek3", "api.qingcloud.com", 443, "/iaas",
        )  # fmt: skip
    assert KEY.secret not in repr(KEY)


def notes_of(objects: list[Any], kind: str) -> Any:
    return find(objects, kind)["spec"]["template"]["metadata"]["annotations"]


def test_pods_start_anew_with_another_key_or_other_settings() -> None:
    first = notes_of(with_key(objects_of(AddOn.CSI), "A"), "DaemonSet")
    assert notes_of(with_key(objects_of(AddOn.CSI), "A"), "DaemonSet") == first
    assert notes_of(with_key(objects_of(AddOn.CSI), "B"), "DaemonSet") != first
    before = notes_of(objects_of(AddOn.CLOUD_CONTROLLER), "Deployment")
    group = AddOns(cloud_controller=CloudController(security_group="sg-1a2b3c4d"))
    after = objects_of(AddOn.CLOUD_CONTROLLER, group)
    assert notes_of(after, "Deployment") != before


def test_the_controller_knows_the_cluster_s_place() -> None:
    text = find(objects_of(AddOn.CLOUD_CONTROLLER), "ConfigMap")["data"]["qingcloud.yaml"]
    assert yaml.safe_load(text) == {
        "zone": "pek3",
        "defaultVxNetForLB": "vxnet-1a2b3c4d",
        "clusterID": "demo",
        "isApp": False,
    }
    group = AddOns(cloud_controller=CloudController(security_group="sg-1a2b3c4d"))
    found = find(objects_of(AddOn.CLOUD_CONTROLLER, group), "ConfigMap")["data"]["qingcloud.yaml"]
    assert yaml.safe_load(found)["securityGroupID"] == "sg-1a2b3c4d"


def test_images_and_the_type_of_volumes_are_those_of_the_description() -> None:
    part = Csi(image="mirror.example.cn/csi/driver:v2", volume_type=5)
    objects = objects_of(AddOn.CSI, AddOns(csi=part))
    containers = find(objects, "DaemonSet")["spec"]["template"]["spec"]["containers"]
    assert "mirror.example.cn/csi/driver:v2" in {one["image"] for one in containers}
    assert find(objects, "StorageClass")["parameters"]["type"] == "5"
