"""The endpoint of the API, and the access key."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from domain.kernel.errors import AccessDenied, InvalidSpec

DEFAULT_ENDPOINT = "https://api.qingcloud.com:443/iaas/"
DEFAULT_PORTS = {"https": 443, "http": 80}

# Stricter than a URL: the HTTP library would quote a refused one later in its error text, together
# with the whole signed request.
HOST = re.compile(r"[\w.:-]+", re.ASCII)
PATH = re.compile(r"[\w/.~-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The parts of an endpoint's URL; the path is part of what is signed."""

    protocol: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> "Endpoint":
        """Parse a URL; a missing path is `/iaas/`.

        Raises:
            InvalidSpec: not an http or https URL, or one with parts that an endpoint has not.
        """
        example = f"expected something like {DEFAULT_ENDPOINT}"
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError as error:
            raise InvalidSpec(f"The endpoint is not a URL: {example}.") from error
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise InvalidSpec(f"The endpoint must be an http or https URL: {example}.")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise InvalidSpec(f"The endpoint holds more than host, port and path: {example}.")
        path = "/iaas/" if parts.path in ("", "/") else parts.path
        if not HOST.fullmatch(parts.hostname) or not PATH.fullmatch(path):
            raise InvalidSpec(f"The endpoint's host or path has odd characters: {example}.")
        return cls(parts.scheme, parts.hostname, port or DEFAULT_PORTS[parts.scheme], path)

    @property
    def is_secure(self) -> bool:
        return self.protocol == "https"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol}://{host}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class Keys:
    """An access key. The secret stays out of every representation."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    def __post_init__(self) -> None:
        # With empty keys the SDK reads others from a metadata address and, without an answer from
        # there, sends unsigned requests.
        if not self.access_key_id.strip():
            raise AccessDenied("The access key id is empty; nothing was sent to the cloud.")
        if not self.secret_access_key.strip():
            raise AccessDenied("The secret access key is empty; nothing was sent to the cloud.")
