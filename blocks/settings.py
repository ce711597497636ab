"""Settings of this machine. The only module that reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from platformdirs import user_data_path

from domain.kernel.errors import InvalidSpec

ACCOUNT_VARIABLES = ("QINGCLOUD_ACCESS_KEY_ID", "QINGCLOUD_SECRET_ACCESS_KEY", "QINGCLOUD_ZONE")
PUBLIC_ENDPOINT = "https://api.qingcloud.com:443/iaas/"


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """An account as the environment describes it."""

    zone: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    endpoint: str
    bills: bool


def account_from_environment() -> AccountSettings | None:
    """Read the account from `QINGCLOUD_…`, or None when none of its variables is set.

    `QINGCLOUD_ENDPOINT` is optional; `QINGCLOUD_BILLS=0` means that resources cost nothing.

    Raises:
        InvalidSpec: only some of the variables are set; the message names the missing ones.
    """
    values = {name: os.environ.get(name, "") for name in ACCOUNT_VARIABLES}
    missing = [name for name, value in values.items() if not value]
    if len(missing) == len(values):
        return None
    if missing:
        raise InvalidSpec(
            f"the environment sets some of an account but not {' and '.join(missing)}; "
            "set all, or none and use --account"
        )
    key_id, secret, zone = values.values()
    return AccountSettings(
        zone=zone,
        access_key_id=key_id,
        secret_access_key=secret,
        endpoint=os.environ.get("QINGCLOUD_ENDPOINT") or PUBLIC_ENDPOINT,
        bills=os.environ.get("QINGCLOUD_BILLS", "1") not in ("0", "false", "no"),
    )


def lock_file(what: str) -> Path:
    """The lock file of an activity on this machine; it is empty and is not deleted."""
    return user_data_path("kubernetes-on-qingcloud") / "locks" / what


def samples_file() -> Path:
    """The default database of samples, a SQLite file."""
    return user_data_path("kubernetes-on-qingcloud") / "samples.db"


def samples_url() -> str:
    """The URL of the samples' database in the environment's SAMPLES_URL, or an empty text."""
    return os.environ.get("SAMPLES_URL", "")


def environment_with(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process with some variables set, for a child process.

    A child started as `python -m` does not import from the current folder: a user's `blocks.py`
    there would take the place of ours.
    """
    return {**os.environ, "PYTHONSAFEPATH": "1", **changes}
