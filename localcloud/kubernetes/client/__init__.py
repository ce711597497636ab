"""Clients of an API server, emulated or real.

`interface` is their protocol, `in_process` and `https` are the two implementations; `informer`,
`events` and `writes` are shared by controllers and kubelets.
"""

from localcloud.kubernetes.access.users import MASTERS, User
from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.objects.failures import ApiFailure

__all__ = ["MASTERS", "ApiClient", "ApiFailure", "User"]
