"""QingCloud accounts: endpoint, key and zone."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr

from blocks.looks import WithLogo
from blocks.server_calls import load_block, save_block
from blocks.settings import addon_key, environment_with, qingcloud_file
from clients.qingcloud import DEFAULT_ENDPOINT, QingCloud
from domain.kernel.errors import BadRequest, InvalidSpec
from domain.spec.documents import read_yaml

LOCAL = "local"
VARIABLES = ("QINGCLOUD_ACCESS_KEY_ID", "QINGCLOUD_SECRET_ACCESS_KEY", "QINGCLOUD_ZONE")


class QingCloudAccount(WithLogo, Block):
    """Credentials for one zone of QingCloud.

    Example:
        ```python
        from blocks.accounts import QingCloudAccount

        account = QingCloudAccount.load("BLOCK_NAME")
        with account.client() as cloud:
            print(cloud.list_zones())
        ```
    """

    _block_type_name = "QingCloud Account"
    _block_type_slug = "qingcloud-account"
    _documentation_url = HttpUrl("https://docsv4.qingcloud.com/user_guide/development_docs/api/")

    zone: str = Field(
        description="Zone id, such as pek3.", json_schema_extra={"position": 0}, min_length=1
    )
    access_key_id: str = Field(description="API key id.", json_schema_extra={"position": 1})
    secret_access_key: SecretStr = Field(
        description="API secret key.", json_schema_extra={"position": 2}
    )
    endpoint: str = Field(
        DEFAULT_ENDPOINT, description="URL of the IaaS API.", json_schema_extra={"position": 3}
    )
    bills: bool = Field(
        True,
        description="Whether resources cost money: then every change must be confirmed.",
        json_schema_extra={"position": 4},
    )
    approval: Literal["ask", "never"] = Field(
        "ask",
        description="Whether a run of a deployment waits for an approval before it deletes, or "
        "buys where that costs money; `never` is for machines that nobody asks.",
        json_schema_extra={"position": 5},
    )

    def client(self) -> QingCloud:
        """Open a client for the account's zone; close it, or use it as a context manager."""
        return QingCloud(
            zone=self.zone,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key.get_secret_value(),
            endpoint=self.endpoint,
        )


def _any_port(ports: Sequence[int]) -> None:
    """Accept all ports: every port of a new public address is free."""


class ChosenAccount(NamedTuple):
    """An account with its description and a check of public ports.

    `block` is the name of its block; empty for the environment's account. `check_ports` raises
    `BadRequest` for a public port that is in use.
    """

    account: QingCloudAccount
    description: str
    check_ports: Callable[[Sequence[int]], None] = _any_port
    block: str = ""


def choose_account(wish: str | None) -> ChosenAccount:
    """Find the account of a command.

    Args:
        wish: the name of a saved block, `local` for the cloud on this machine (started when it is
            not running), or None: the environment's account when set, else that of QingCloud's
            own command line, else `local`.

    Raises:
        InvalidSpec: no such block, or an incomplete account in the environment.
        BadRequest: the local cloud cannot start.
    """
    variables = environment_with({})
    if wish is None and any(variables.get(name) for name in VARIABLES):
        account = _account_of(variables)
        return ChosenAccount(account, f"the environment's, {account.endpoint} {account.zone}")
    if wish is None and (file := qingcloud_file()).is_file():
        account = _account_of(read_qingcloud_file(file))
        return ChosenAccount(account, f"that of {file}, {account.endpoint} {account.zone}")
    if wish is None or wish == LOCAL:
        account = _local_account()
        words, block = "the local cloud on this machine", _local_block(account)
        return ChosenAccount(account, words, _check_local_ports, block)
    saved = load_block(QingCloudAccount, wish)
    if saved is None:
        raise InvalidSpec(
            f"there is no account block named {wish!r}; save one in the Prefect UI under "
            "Blocks, QingCloud Account, or use --account local"
        )
    return ChosenAccount(saved, f"block {wish}", block=wish)


def open_addon_account(wish: str, account: QingCloudAccount) -> QingCloudAccount | None:
    """Find the account whose key add-ons keep in a cluster.

    Args:
        wish: the name of a saved block, or `local`; if empty, the key is the environment's.
        account: the cluster's, for its zone and its endpoint.

    Returns:
        None where nothing is named and the environment has no key.

    Raises:
        InvalidSpec: no such block, or half a key in the environment.
    """
    if wish:
        return choose_account(wish).account
    key_id, secret = addon_key()
    if not key_id and not secret:
        return None
    if not key_id or not secret:
        raise InvalidSpec("set both ADDONS_ACCESS_KEY_ID and ADDONS_SECRET_ACCESS_KEY, or neither")
    changes = {"access_key_id": key_id, "secret_access_key": SecretStr(secret)}
    return account.model_copy(update=changes)


def read_qingcloud_file(file: Path) -> dict[str, str]:
    """Read the file of QingCloud's own command line, as our variables.

    Raises:
        InvalidSpec: it cannot be read.
    """
    try:
        document = read_yaml(file.read_text(encoding="utf-8"), f"the file {file}")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSpec(f"the file {file} cannot be read: {error}") from error
    names = ("qy_access_key_id", "qy_secret_access_key", "zone")
    found = {
        variable: str(document[name])
        for variable, name in zip(VARIABLES, names, strict=True)
        if document.get(name)
    }
    if missing := [
        name for name, variable in zip(names, VARIABLES, strict=True) if variable not in found
    ]:
        raise InvalidSpec(f"the file {file} has no {' and no '.join(missing)}; or use --account")
    if host := document.get("host"):
        scheme, port = document.get("protocol", "https"), document.get("port", 443)
        found["QINGCLOUD_ENDPOINT"] = f"{scheme}://{host}:{port}{document.get('uri', '/iaas/')}"
    return found


def _account_of(variables: Mapping[str, str]) -> QingCloudAccount:
    """The account in the variables `QINGCLOUD_…`.

    `QINGCLOUD_ENDPOINT` is optional; `QINGCLOUD_BILLS=0` means that resources cost nothing.

    Raises:
        InvalidSpec: some of the variables are not set; the message names them.
    """
    missing = [name for name in VARIABLES if not variables.get(name)]
    if missing:
        raise InvalidSpec(
            f"the environment sets some of an account but not {' and '.join(missing)}; "
            "set all, or none and use --account"
        )
    # A line end is easily copied with a key, and no key has blanks.
    key_id, secret, zone = (variables[name].strip() for name in VARIABLES)
    return QingCloudAccount(
        zone=zone,
        access_key_id=key_id,
        secret_access_key=SecretStr(secret),
        endpoint=variables.get("QINGCLOUD_ENDPOINT") or DEFAULT_ENDPOINT,
        bills=variables.get("QINGCLOUD_BILLS", "1") not in ("0", "false", "no"),
    )


def _local_account() -> QingCloudAccount:
    """Start the local cloud if it is not running, and save its account for the Prefect UI."""
    try:
        variables = _localcloud("env", "--json")
    except BadRequest:  # it is not running
        _localcloud("up")
        variables = _localcloud("env", "--json")
    account = _account_of(json.loads(variables))
    # Reading the block takes one call, saving it five.
    block, names = _local_block(account), QingCloudAccount.model_fields
    saved = load_block(QingCloudAccount, block)
    if not saved or any(getattr(saved, name) != getattr(account, name) for name in names):
        save_block(account, block)
    return account


def _local_block(account: QingCloudAccount) -> str:
    """The name of the block of a local cloud: each has a key of its own, and so a block."""
    return f"{LOCAL}-{hashlib.sha256(account.access_key_id.encode()).hexdigest()[:8]}"


def _check_local_ports(ports: Sequence[int]) -> None:
    _localcloud("ports", *map(str, ports))


def _localcloud(*words: str) -> str:
    """Run a command of the local cloud, which is a separate program."""
    done = subprocess.run(
        [sys.executable, "-m", "localcloud", *words],
        env=environment_with({}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        lines = [line.strip() for line in done.stderr.strip().splitlines()] or ["no reason given"]
        lines[0] = lines[0].removeprefix("Error: ")
        # The first line is the error, the last ones its reason and the log file.
        kept = lines if len(lines) < 3 else [lines[0], *lines[-2:]]
        raise BadRequest(f"the local cloud: {' '.join(kept)}")
    return done.stdout
