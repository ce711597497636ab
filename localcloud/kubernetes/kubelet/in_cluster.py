"""Reads of the Kubernetes API by a program in a pod, over TLS to a master."""

import json
import logging
import ssl
from typing import Any

from localcloud.fabric import Fabric
from localcloud.https import get
from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.kubernetes.objects.kinds import CONFIG_MAP, ENDPOINT_SLICE

PATIENCE = 75.0  # seconds for a whole answer, which may be a long list

log = logging.getLogger(__name__)


class InClusterReader:
    """Reads the API as a pod on one node does, with its user's token.

    The kubelet's own client finds only the API servers' addresses and the CA certificate; the
    reads go through the private network, with no other identity than the user's token.
    """

    def __init__(self, api: ApiClient, fabric: Fabric, vpc: str, address: str) -> None:
        self._api = api
        self._fabric = fabric
        self._vpc = vpc
        self._address = address

    async def __call__(self, path: str, token: str) -> tuple[int, Any]:
        """Read a path; return status 502 with a message when the API does not answer."""
        try:
            host, port = await self._find_server()
            context = await self._trust()
            connection = self._fabric.dial(self._vpc, self._address, host, port)
            reply = await get(connection, context, host, path, bearer=token, patience=PATIENCE)
            return reply.status, json.loads(reply.text or "null")
        except (ApiFailure, OSError, ValueError) as failure:
            log.warning("reading %s from a pod: %s", path, failure)
            return 502, {"message": f"the Kubernetes API does not answer: {failure}"}

    async def _find_server(self) -> tuple[str, int]:
        query = {"labelSelector": "kubernetes.io/service-name=kubernetes"}
        found = await self._api.request("GET", ENDPOINT_SLICE.path("default"), query=query)
        for one in found["items"]:
            for endpoint in one["endpoints"]:
                return endpoint["addresses"][0], one["ports"][0]["port"]
        raise ConnectionError("the Service kubernetes has no endpoints")

    async def _trust(self) -> ssl.SSLContext:
        path = CONFIG_MAP.path("kube-system", "kube-root-ca.crt")
        found = await self._api.request("GET", path)
        return ssl.create_default_context(cadata=found["data"]["ca.crt"])
