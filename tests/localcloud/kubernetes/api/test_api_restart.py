"""A plane that ends with its process: the next one resumes from the same file."""

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Coroutine
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import kubernetes
import pytest

from localcloud.clock import WallClock
from localcloud.database import WINDOW, Unreadable
from localcloud.kubernetes.client import MASTERS, ApiFailure
from localcloud.kubernetes.controllers.revisions import same_template
from localcloud.kubernetes.objects.kinds import CONFIG_MAP
from localcloud.kubernetes.objects.store import Store, TooOld
from localcloud.kubernetes.persistence import Persistence
from localcloud.kubernetes.planes import Plane, PlaneConfig, Planes
from localcloud.profiles import PROFILES
from tests.localcloud.kubernetes.api.conftest import Authority, serving

SETTINGS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
REPLICA_SETS = "/apis/apps/v1/namespaces/default/replicasets"
MERGE = "application/merge-patch+json"
TOKEN = "/api/v1/namespaces/default/serviceaccounts/default/token"
REVIEW = "/apis/authentication.k8s.io/v1/tokenreviews"


async def _no_controllers(*_: Any) -> None:
    await asyncio.Event().wait()


def plane_on(file: Path, config: PlaneConfig) -> Plane:
    planes = Planes(WallClock(), PROFILES["instant"], random.Random(), _no_controllers)
    return planes.create(replace(config, data=file))


async def as_killed(file: Path) -> Path:
    """Return the state that a process killed at this moment would leave."""
    await asyncio.sleep(3 * WINDOW)
    return copy_of(file)


def copy_of(file: Path) -> Path:
    left = file.with_name("left.db")
    for ending in ("", "-wal"):
        shutil.copy(f"{file}{ending}", f"{left}{ending}")
    return left


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 90))


async def put(plane: Plane, name: str) -> dict[str, Any]:
    body = {"metadata": {"name": name}, "data": {"text": "süß"}}
    made: dict[str, Any] = await plane.client(MASTERS).request("POST", SETTINGS, body=body)
    return made


def version_of(obj: dict[str, Any]) -> int:
    return int(obj["metadata"]["resourceVersion"])


def test_objects_are_the_same_after_a_kill_and_the_deleted_stay_deleted(
    tmp_path: Path, plane_config: PlaneConfig
) -> None:
    async def story() -> None:
        first = plane_on(tmp_path / "cluster.db", plane_config)
        await first.start()
        kept, gone = await put(first, "kept"), await put(first, "gone")
        await first.client(MASTERS).request("DELETE", f"{SETTINGS}/gone")
        everything = await first.client(MASTERS).request("GET", "/api/v1/namespaces")
        second = plane_on(await as_killed(tmp_path / "cluster.db"), plane_config)
        await second.start()
        api = second.client(MASTERS)
        assert await api.request("GET", f"{SETTINGS}/kept") == kept
        assert (await api.request("GET", "/api/v1/namespaces"))["items"] == everything["items"]
        with pytest.raises(ApiFailure):
            await api.request("GET", f"{SETTINGS}/gone")
        assert version_of(await put(second, "new")) > version_of(gone)
        await first.stop()
        await second.stop()

    run(story())


def test_kill_right_after_an_answer_loses_nothing(
    tmp_path: Path, plane_config: PlaneConfig, authority: Authority
) -> None:
    """As with etcd: what a client was told is on the disk."""
    file = tmp_path / "cluster.db"
    with serving(plane_on(file, plane_config), authority, tmp_path) as served:
        api = kubernetes.client.CoreV1Api(served.client())
        for number in range(3):
            metadata = kubernetes.client.V1ObjectMeta(name=f"kept-{number}")
            body = kubernetes.client.V1ConfigMap(metadata=metadata)
            api.create_namespaced_config_map("default", body)
        api.delete_namespaced_config_map("kept-1", "default")
        left = copy_of(file)

    async def story() -> None:
        second = plane_on(left, plane_config)
        await second.start()
        found = await second.client(MASTERS).request("GET", SETTINGS)
        names = [item["metadata"]["name"] for item in found["items"]]
        assert [name for name in names if name.startswith("kept")] == ["kept-0", "kept-2"]
        await second.stop()

    run(story())


def test_watch_from_before_has_to_list_again(tmp_path: Path, plane_config: PlaneConfig) -> None:
    async def story() -> None:
        first = plane_on(tmp_path / "cluster.db", plane_config)
        await first.start()
        before = version_of(await put(first, "one"))
        await first.stop()
        store = Store()
        Persistence(tmp_path / "cluster.db", store)
        with pytest.raises(TooOld):  # reported by the API as 410
            store.since(CONFIG_MAP, before)
        assert store.since(CONFIG_MAP, store.version) == []

    run(story())


def test_objects_of_an_older_version_get_the_current_defaults(
    tmp_path: Path, plane_config: PlaneConfig
) -> None:
    """Otherwise a Deployment would differ from its ReplicaSet at its next write, and roll out."""

    async def story() -> None:
        first = plane_on(tmp_path / "cluster.db", plane_config)
        await first.start()
        api = first.client(MASTERS)
        labels = {"app": "web"}
        spec = {"selector": {"matchLabels": labels}, "template": template(labels, "500m")}
        for path in (DEPLOYMENTS, REPLICA_SETS):
            await api.request("POST", path, body={"metadata": {"name": "web"}, "spec": spec})
        await first.stop()
        with closing(sqlite3.connect(tmp_path / "cluster.db", isolation_level=None)) as past:
            older = """replace(CAST(body AS TEXT), '"500m"', '"0.5"')"""
            past.execute(f"UPDATE records SET body = CAST({older} AS BLOB) WHERE room != 'plane'")
        second = plane_on(tmp_path / "cluster.db", plane_config)
        await second.start()
        api = second.client(MASTERS)
        status = {"status": {"replicas": 1}}
        deployment = await api.request(
            "PATCH", f"{DEPLOYMENTS}/web/status", body=status, content_type=MERGE
        )
        assert deployment["metadata"]["generation"] == 1
        replica_set = await api.request("GET", f"{REPLICA_SETS}/web")
        assert same_template(deployment, replica_set)
        await second.stop()

    run(story())


def template(labels: dict[str, str], cpu: str) -> dict[str, Any]:
    container = {"name": "a", "image": "nginx", "resources": {"requests": {"cpu": cpu}}}
    return {"metadata": {"labels": labels}, "spec": {"containers": [container]}}


def test_token_of_a_service_account_stays_valid(tmp_path: Path, plane_config: PlaneConfig) -> None:
    async def story() -> None:
        first = plane_on(tmp_path / "cluster.db", plane_config)
        await first.start()
        asked = {"spec": {"expirationSeconds": 3600}}
        made = await first.client(MASTERS).request("POST", TOKEN, body=asked)
        await first.stop()
        second = plane_on(tmp_path / "cluster.db", plane_config)
        await second.start()
        review = {"spec": {"token": made["status"]["token"]}}
        answer = await second.client(MASTERS).request("POST", REVIEW, body=review)
        assert answer["status"]["user"]["username"] == "system:serviceaccount:default:default"
        await second.stop()

    run(story())


def test_stopped_plane_writes_again_after_its_next_start(
    tmp_path: Path, plane_config: PlaneConfig
) -> None:
    async def story() -> None:
        first = plane_on(tmp_path / "cluster.db", plane_config)
        await first.start()
        await first.stop()
        await first.start()
        made = await put(first, "late")
        await first.stop()
        second = plane_on(tmp_path / "cluster.db", plane_config)
        await second.start()
        assert await second.client(MASTERS).request("GET", f"{SETTINGS}/late") == made
        await second.stop()

    run(story())


def test_damaged_file_is_refused_with_a_remedy(tmp_path: Path, plane_config: PlaneConfig) -> None:
    (tmp_path / "cluster.db").write_bytes(b"not a database, but long enough to be none" * 30)
    with pytest.raises(Unreadable, match="python -m localcloud reset"):
        plane_on(tmp_path / "cluster.db", plane_config)


def test_a_failed_write_is_retried_with_the_next_change(
    tmp_path: Path, plane_config: PlaneConfig, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "cluster.db"

    async def story() -> None:
        first = plane_on(file, plane_config)
        await first.start()
        with closing(sqlite3.connect(file, isolation_level=None)) as fault:
            await asyncio.sleep(3 * WINDOW)
            fault.execute("ALTER TABLE records RENAME TO elsewhere")
            early = await put(first, "early")
            await asyncio.sleep(3 * WINDOW)
            fault.execute("ALTER TABLE elsewhere RENAME TO records")
        await put(first, "later")
        second = plane_on(await as_killed(file), plane_config)
        await second.start()
        assert await second.client(MASTERS).request("GET", f"{SETTINGS}/early") == early
        await first.stop()
        await second.stop()

    run(story())
    assert "no such table" in caplog.text
