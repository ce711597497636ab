"""The one rule for proxies: which connections go through one.

Never through a proxy: loopback, private addresses and the cluster's private names, which the proxy
of a company cannot reach. Everything else (the cloud's API, a cluster's public address, robots)
goes through HTTPS_PROXY or HTTP_PROXY, unless NO_PROXY names it. An authority of the company is
trusted by SSL_CERT_FILE. SSH has a bastion instead (`access.jump`).
"""

import http.client
import ssl
from base64 import b64encode
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment

PRIVATE_NAMES = ("localhost", "internal")
"""The last parts of names that are never on the internet."""


def find_proxy(url: str) -> str:
    """The URL of the proxy for a URL; empty for a direct connection."""
    place = urlsplit(url)
    proxies = getproxies_environment()
    proxy = proxies.get(place.scheme) or proxies.get("all") or ""
    if not proxy or not place.hostname or is_private(place.hostname):
        return ""
    if _is_named(place.hostname, proxies.get("no", "")):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def is_private(host: str) -> bool:
    """Whether a host is this machine, or in a private network."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return host.lower().rstrip(".").rpartition(".")[2] in PRIVATE_NAMES


def _is_named(host: str, names: str) -> bool:
    """Whether NO_PROXY names a host: by itself, its domain, its network, or `*` for all."""
    for name in (one.strip().lower() for one in names.split(",")):
        if name == "*" or (name and _matches(host.lower(), name)):
            return True
    return False


def _matches(host: str, name: str) -> bool:
    try:
        return ip_address(host) in ip_network(name, strict=False)
    except ValueError:
        domain = name.lstrip("*").lstrip(".")
        return host == domain or host.endswith(f".{domain}")


class ThroughProxy:
    """A proxy, and how connections to a host go through it."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self.host, self.port = place.hostname or "", place.port or 80
        self._login = ""
        if place.username:
            pair = f"{unquote(place.username)}:{unquote(place.password or '')}"
            self._login = "Basic " + b64encode(pair.encode()).decode()

    @property
    def headers(self) -> dict[str, str]:
        return {"Proxy-Authorization": self._login} if self._login else {}

    def __str__(self) -> str:
        return f"the proxy {self.host}:{self.port}"


def tunnel_to(url: str, tls: ssl.SSLContext, timeout: float) -> http.client.HTTPSConnection:
    """Prepare a TLS connection to the host of an https URL, by the rule; `connect` opens it."""
    place = urlsplit(url)
    host, port = place.hostname or "", place.port or 443
    if not (url_of_proxy := find_proxy(url)):
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=tls)
    proxy = ThroughProxy(url_of_proxy)
    connection = http.client.HTTPSConnection(proxy.host, proxy.port, timeout=timeout, context=tls)
    connection.set_tunnel(host, port, proxy.headers)
    return connection
