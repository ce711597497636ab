"""One cluster's API server, over TLS with a client certificate; on the kubernetes client."""

from clients.kubernetes.client import ClusterClient

__all__ = ["ClusterClient"]
