"""How the parts of a cluster speak to its API server, emulated or real.

`interface` is what they count on, `in_process` and `https` the two ways; `informer`, `events` and
`writes` are what controllers and kubelets do with it all the time.
"""

from localcloud.kubernetes.access.users import MASTERS, User
from localcloud.kubernetes.client.interface import ApiClient
from localcloud.kubernetes.objects.failures import ApiFailure

__all__ = ["MASTERS", "ApiClient", "ApiFailure", "User"]
