"""QingCloud's API over HTTP, as the vendor's programs use it: signed, and followed by its jobs."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

from localcloud.clock import Clock
from localcloud.kubernetes.programs.place import Broken

DEFAULTS: Mapping[str, Any] = {
    "host": "api.qingcloud.com",
    "port": 443,
    "protocol": "https",
    "uri": "/iaas",
}
PATIENCE = 30.0  # seconds for one answer
LOOK = 0.2  # seconds between two looks at a job
JOB_PATIENCE = 180.0  # seconds, as the vendor's client waits

Answer = dict[str, Any]
Value = str | int | Sequence[str] | Sequence[Mapping[str, str | int]]


class Refused(Exception):
    """The cloud has refused a call, or does not answer.

    Attributes:
        code: `ret_code`, or 0.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class CloudApi:
    """One key in one zone."""

    def __init__(self, settings: Mapping[str, Any], clock: Clock) -> None:
        """Take the settings of the vendor's key file. Raises `Broken` for an incomplete one."""
        for name in ("qy_access_key_id", "qy_secret_access_key", "zone"):
            if not settings.get(name):
                raise Broken(f"the key file has no {name}")
        self._settings = {**DEFAULTS, **settings}
        _refuse_outside(str(self._settings["host"]))
        self._clock = clock
        self.zone = str(settings["zone"])
        self.key_id = str(settings["qy_access_key_id"])

    async def call(self, action: str, **parameters: Value) -> Answer:
        """Send one call, and return its answer. Raises `Refused`."""
        pairs = {
            "action": action,
            "zone": self.zone,
            "access_key_id": self.key_id,
            "signature_method": "HmacSHA256",
            "signature_version": "1",
            "time_stamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "version": "1",
            **_flat(parameters),
        }
        try:
            answer = await asyncio.to_thread(self._send, pairs)
        except (OSError, HTTPException, ValueError) as error:
            raise Refused(f"{action}: {error}") from error
        if answer.get("ret_code"):
            raise Refused(f"{action}: {answer.get('message', '')}", int(answer["ret_code"]))
        return answer

    async def done(self, action: str, **parameters: Value) -> Answer:
        """Send a call that starts a job, and wait until that has ended. Raises `Refused`."""
        answer = await self.call(action, **parameters)
        waited = 0.0
        while job_id := answer.get("job_id"):
            found = await self.call("DescribeJobs", jobs=[job_id])
            status = found["job_set"][0]["status"] if found["job_set"] else "pending"
            if status == "successful":
                break
            if status not in ("pending", "working"):
                raise Refused(f"{action}: job {job_id} is {status}")
            if waited > JOB_PATIENCE:
                raise Refused(f"{action}: job {job_id} has not ended after {waited:.0f} s")
            await self._clock.sleep(LOOK)
            waited += LOOK
        return answer

    def _send(self, pairs: Mapping[str, str]) -> Answer:
        path = str(self._settings["uri"]).rstrip("/") + "/"
        secret = str(self._settings["qy_secret_access_key"])
        query = "&".join(
            f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in sorted(pairs.items())
        )
        digest = hmac.new(secret.encode(), f"GET\n{path}\n{query}".encode(), hashlib.sha256)
        signature = quote(base64.b64encode(digest.digest()).decode(), safe="")
        plain = self._settings["protocol"] == "http"
        kind = HTTPConnection if plain else HTTPSConnection
        connection = kind(
            str(self._settings["host"]), int(self._settings["port"]), timeout=PATIENCE
        )
        try:
            connection.request("GET", f"{path}?{query}&signature={signature}")
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if not isinstance(answer, dict):
            raise ValueError("the answer is no object")
        return answer


def _refuse_outside(host: str) -> None:
    """Refuse every cloud but those of this machine.

    A backup of a real cluster that is restored here, as in a drill, brings its key along: a program
    that used it would change that cluster's balancers and volumes.
    """
    try:
        is_here = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_here = False
    if not is_here:
        raise Broken(
            f"dial tcp: lookup {host}: no such host (the local cloud calls no other cloud)"
        )


def _flat(parameters: Mapping[str, Value]) -> dict[str, str]:
    """Return parameters as the wire has them: `names.1`, `rules.1.protocol`."""
    flat: dict[str, str] = {}
    for name, value in parameters.items():
        if isinstance(value, str | int):
            flat[name] = str(value)
            continue
        for number, item in enumerate(value, 1):
            if isinstance(item, Mapping):
                flat |= {f"{name}.{number}.{key}": str(one) for key, one in item.items()}
            else:
                flat[f"{name}.{number}"] = str(item)
    return flat
