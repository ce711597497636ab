"""From which of its addresses this machine reaches another one."""

import socket
from urllib.parse import urlsplit


def read_own_address(url: str) -> str:
    """Ask the system from which IPv4 address it would reach a URL's host; nothing is sent to it.

    Empty where it would not. Whether others see this address is another matter: a router on the
    way may put its own in its place.
    """
    place = urlsplit(url)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((place.hostname or "", place.port or 443))
            return str(probe.getsockname()[0])
    except OSError:
        return ""
