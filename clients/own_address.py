"""The address from which this machine reaches another one."""

import socket
from urllib.parse import urlsplit


def read_own_address(url: str) -> str:
    """Read from which IPv4 address this machine would reach a URL's host. Sends nothing.

    Returns: the address, or an empty text without a route. The host may see another address, if a
    router on the way translates it.
    """
    place = urlsplit(url)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((place.hostname or "", place.port or 443))
            return str(probe.getsockname()[0])
    except OSError:
        return ""
