"""Settings of this machine. The only module that reads the environment, but for its language."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.request import getproxies_environment

from platformdirs import user_data_path


def data_folder() -> Path:
    """This user's folder of the project; created for its owner alone."""
    folder = user_data_path("kubernetes-on-qingcloud")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def lock_file(what: str) -> Path:
    """The lock file of an activity on this machine; it is empty and is not deleted."""
    return data_folder() / "locks" / what


def samples_file() -> Path:
    """The default database of samples, a SQLite file."""
    return data_folder() / "samples.db"


def samples_url() -> str:
    """The URL of the samples' database in the environment's SAMPLES_URL, or an empty text."""
    return os.environ.get("SAMPLES_URL", "")


def backup_pass_phrase() -> str:
    """The pass phrase of backups in a folder, in BACKUP_PASS_PHRASE, or an empty text."""
    return os.environ.get("BACKUP_PASS_PHRASE", "")


def addon_key() -> tuple[str, str]:
    """The API key of add-ons, in ADDONS_ACCESS_KEY_ID and ADDONS_SECRET_ACCESS_KEY, or two texts.

    Both are empty where none is set.
    """
    key_id = os.environ.get("ADDONS_ACCESS_KEY_ID", "")
    secret = os.environ.get("ADDONS_SECRET_ACCESS_KEY", "")
    return key_id.strip(), secret.strip()


def qingcloud_file() -> Path:
    """The settings of QingCloud's own command line."""
    return Path("~/.qingcloud/config.yaml").expanduser()


def user_kubeconfig() -> Path:
    """The kubeconfig that kubectl would change: the first of KUBECONFIG that exists."""
    named = [Path(one) for one in os.environ.get("KUBECONFIG", "").split(os.pathsep) if one]
    usual = named[0] if named else Path("~/.kube/config")
    return next((file for file in named if file.exists()), usual).expanduser()


LOOPBACK = "localhost,127.0.0.1,::1"


def keep_loopback_direct() -> None:
    """Let libraries that read the environment themselves, and child processes, follow our rule.

    Prefect's client would send the requests to a server on this machine through HTTP_PROXY. The
    rule for our own connections is in `clients/proxies.py`.
    """
    if not getproxies_environment():
        return
    for name in ("no_proxy", "NO_PROXY"):
        given = os.environ.get(name, "")
        if LOOPBACK not in given:
            os.environ[name] = f"{given},{LOOPBACK}".strip(",")
    if authority := os.environ.get("SSL_CERT_FILE"):
        os.environ.setdefault("REQUESTS_CA_BUNDLE", authority)


def environment_with(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process with some variables set, for a child process.

    A child started as `python -m` does not import from the current folder: a user's `blocks.py`
    there would take the place of ours.
    """
    return {**os.environ, "PYTHONSAFEPATH": "1", **changes}
