"""The control planes of the local cloud, one a cluster, by its VPC and the hash of its CA."""

import random
import shutil
from pathlib import Path

from localcloud.clock import Clock
from localcloud.database import erase
from localcloud.kubernetes.access.join_tokens import BootstrapToken
from localcloud.kubernetes.controllers import run_controllers
from localcloud.kubernetes.emulated_plane import Controllers, EmulatedPlane
from localcloud.kubernetes.plane import Plane, PlaneConfig, hash_of_ca
from localcloud.kubernetes.real.assets import Assets
from localcloud.profiles import Profile

__all__ = ["BootstrapToken", "Plane", "PlaneConfig", "Planes", "erase_objects", "hash_of_ca"]


class Planes:
    """Every control plane of this local cloud.

    Args:
        chance: for uids, name suffixes and addresses; a seeded one makes them repeatable.
        controllers: run beside each API server; fewer in some tests.
        assets: the programs that run the planes to come; without them those are emulated.
    """

    def __init__(
        self,
        clock: Clock,
        profile: Profile,
        chance: random.Random | None = None,
        controllers: Controllers | None = None,
        assets: Assets | None = None,
    ) -> None:
        self._assets = assets
        self._clock = clock
        self._profile = profile
        self._random = chance or random.SystemRandom()
        self._controllers = controllers or run_controllers
        self._planes: dict[tuple[str, str], Plane] = {}

    def create(self, config: PlaneConfig) -> Plane:
        """Return a new plane, not started; one with the same CA in the same VPC is replaced."""
        plane: Plane
        if self._assets is None:
            plane = EmulatedPlane(
                config, self._clock, self._profile, self._random, self._controllers
            )
        else:
            assert config.data is not None, "a real control plane keeps its objects in files"
            # Imported here, because it imports httpx, which most daemons do not need.
            from localcloud.kubernetes.real.plane import RealPlane

            plane = RealPlane(config, self._clock, self._assets, _folder_of(config.data))
        self._planes[config.vpc, plane.ca_hash] = plane
        return plane

    def find_or_create(self, config: PlaneConfig) -> Plane:
        """Return the plane of a cluster, which another master may have started already."""
        return self.find(config.vpc, hash_of_ca(config.ca_certificate)) or self.create(config)

    def forget(self, plane: Plane) -> None:
        """Forget a stopped plane of a deleted cluster, and its objects."""
        place = plane.config.vpc, plane.ca_hash
        if self._planes.get(place) is plane:
            del self._planes[place]

    def find(self, vpc: str, ca_hash: str) -> Plane | None:
        """Return the plane in a VPC with a CA hash `sha256:…`, or None.

        A cluster that was restored from the backup of another has its CA.
        """
        return self._planes.get((vpc, ca_hash))


def erase_objects(data: Path) -> None:
    """Remove the data of a stopped plane at `PlaneConfig.data`, of both engines."""
    erase(data)
    shutil.rmtree(_folder_of(data), ignore_errors=True)


def _folder_of(data: Path) -> Path:
    """Return the folder for a real plane's keys and etcd data, beside an emulated one's file."""
    return data.with_name("control-plane")
