"""A small server of package mirrors on this machine, right ones and five kinds of wrong ones.

Its packages are real ones (`dpkg-deb`), its indexes are signed with a key of the test (`gpg`), and
what they install stands in for Kubernetes and containerd: shell scripts and their systemd units.
"""

import hashlib
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.machines.guest import RELEASES

VERSION, OLDER = "1.36.4", "1.36.3"
CONTAINERD = "2.3.2"
KUBERNETES = "kubernetes-new/core/stable/v1.36/deb"
DOCKER = "docker-ce/linux/debian"
STANDINS = Path(__file__).parent / "programs"

GOOD = "good"
WAF, FORBIDDEN, MISSING = "waf", "forbidden", "missing"
LAGGING, HALF, ROGUE, TORN = "lagging", "half", "rogue", "torn"
"""Mirrors, each a folder: see `Mirrors`."""


class Signer:
    """A signing key in a folder of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(mode=0o700)
        self._folder = folder
        self._gpg("--quick-generate-key", name, "ed25519", "sign", "never")
        listed = self._gpg("--with-colons", "--list-keys").decode()
        self.fingerprint = next(
            line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:")
        )
        self.public = self._gpg("--armor", "--export")

    def sign(self, release: bytes) -> bytes:
        return self._gpg("--clearsign", stdin=release)

    def close(self) -> None:
        """End the agent that gpg has started."""
        subprocess.run(
            ["gpgconf", "--homedir", self._folder, "--kill", "all"], check=True, timeout=30
        )

    def _gpg(self, *words: str, stdin: bytes = b"") -> bytes:
        command = ["gpg", "--batch", "--quiet", "--homedir", str(self._folder)]
        command += ["--pinentry-mode", "loopback", "--passphrase", "", *words]
        done = subprocess.run(command, input=stdin, check=True, stdout=subprocess.PIPE)
        return done.stdout


@dataclass(frozen=True, slots=True)
class Deb:
    """A package file and its paragraph for the index."""

    name: str
    content: bytes
    paragraph: str


def build_deb(
    folder: Path, name: str, version: str, files: Mapping[str, str], depends: str = ""
) -> Deb:
    """Build a package; a file with a shebang is executable."""
    tree = folder / f"{name}_{version}".replace("~", "-")
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "DEBIAN").mkdir(parents=True)
    control = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n"
    control += "Maintainer: Test <test@example.org>\nDescription: stands in for the real one\n"
    control += f"Depends: {depends}\n" if depends else ""
    (tree / "DEBIAN/control").write_text(control)
    for path, text in files.items():
        file = tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755 if text.startswith("#!") else 0o644)
    target = folder / f"{name}_{version}_amd64.deb"
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", "-Znone", tree, target],
        check=True,
        capture_output=True,
    )
    content = target.read_bytes()
    return Deb(target.name, content, control + f"Size: {len(content)}\n" + _sums(content))


def _sums(content: bytes) -> str:
    return f"SHA256: {hashlib.sha256(content).hexdigest()}\n"


def _release(indexes: Mapping[str, bytes], fields: Mapping[str, str]) -> bytes:
    lines = [f"{key}: {value}" for key, value in fields.items()]
    lines += ["Date: Mon, 02 Nov 2026 08:00:00 UTC", "SHA256:"]
    lines += [
        f" {hashlib.sha256(content).hexdigest()} {len(content)} {path}"
        for path, content in indexes.items()
    ]
    return ("\n".join(lines) + "\n").encode()


def _unit(command: str, restart: str) -> str:
    return (
        f"[Unit]\nDescription={command}\n[Service]\nExecStart={command}\nRestart={restart}\n"
        "RestartSec=10\nStartLimitIntervalSec=0\n[Install]\nWantedBy=multi-user.target\n"
    )


class Mirrors:
    """Pages by path; the first folder of a path is the name of a mirror.

    - `good` serves everything.
    - `waf` answers each request with a web page and the status 200.
    - `forbidden` answers 403, `missing` 404.
    - `lagging` has the patch before the wanted one only.
    - `half` has a new release file and an old index; `torn` lacks a package of its index.
    - `rogue` adds a key of its own to the signing-key file, and signs a package of its own with it.
    """

    def __init__(self, folder: Path) -> None:
        self.signer = Signer(folder / "signer", "Signer <signer@example.org>")
        self.rogue = Signer(folder / "rogue", "Rogue <rogue@example.org>")
        self.pages: dict[str, bytes] = {}
        self.hold = threading.Event()  # cleared: package files are not delivered
        self.hold.set()
        self._folder = folder
        newest = self._kubernetes(VERSION, OLDER)
        for name in (GOOD, HALF, TORN):
            self._publish(name, newest)
        self._publish(LAGGING, self._kubernetes(OLDER))
        self.pages[f"/{HALF}/{KUBERNETES}/Packages"] += b"\nPackage: late\nVersion: 1\n"
        del self.pages[f"/{TORN}/{KUBERNETES}/kubelet_{VERSION}-1.1_amd64.deb"]
        own = build_deb(
            folder, "kubectl", f"{VERSION}-9.9", {"usr/bin/kubectl": "#!/bin/sh\necho ROGUE\n"}
        )
        self._publish(ROGUE, [*newest, own], self.signer.public + self.rogue.public, self.rogue)

    def close(self) -> None:
        self.signer.close()
        self.rogue.close()

    def find(self, path: str) -> tuple[HTTPStatus, bytes]:
        if path.endswith(".deb"):
            self.hold.wait()
        match path.split("/")[1]:
            case "waf":
                page = b"<!DOCTYPE html><html><title>Please verify</title></html>"
                return HTTPStatus.OK, page
            case "forbidden":
                return HTTPStatus.FORBIDDEN, b"denied"
        if path in self.pages:
            return HTTPStatus.OK, self.pages[path]
        return HTTPStatus.NOT_FOUND, b"not here"

    def _kubernetes(self, *versions: str) -> list[Deb]:
        programs = {name: (STANDINS / name).read_text() for name in ("kubeadm", "kubectl")}
        debs = []
        for version in versions:
            for name, text in programs.items():
                program = {f"usr/bin/{name}": text}
                needs = "cri-tools" if name == "kubeadm" else ""
                debs.append(build_deb(self._folder, name, f"{version}-1.1", program, needs))
            kubelet = {
                "usr/bin/kubelet": (STANDINS / "kubelet").read_text(),
                "usr/lib/systemd/system/kubelet.service": _unit("/usr/bin/kubelet", "always"),
            }
            needs = "iptables, conntrack, ethtool, kubernetes-cni"
            debs.append(build_deb(self._folder, "kubelet", f"{version}-1.1", kubelet, needs))
        tools = {"usr/bin/crictl": (STANDINS / "crictl").read_text()}
        debs.append(build_deb(self._folder, "cri-tools", "1.36.0-1.1", tools))
        cni = {"opt/cni/bin/bridge": "#!/bin/sh\n"}
        return [*debs, build_deb(self._folder, "kubernetes-cni", "1.9.1-1.1", cni)]

    def _publish(
        self, mirror: str, debs: list[Deb], keys: bytes = b"", signer: Signer | None = None
    ) -> None:
        signer = signer or self.signer
        shown = keys or self.signer.public
        base = f"/{mirror}/{KUBERNETES}"
        self.pages[f"{base}/Release.key"] = shown
        self._index(base, base, "", debs, signer, {})
        base = f"/{mirror}/{DOCKER}"
        self.pages[f"{base}/gpg"] = shown
        for number, codename in RELEASES.items():
            service = {
                "usr/bin/containerd": (STANDINS / "containerd").read_text(),
                "usr/bin/ctr": (STANDINS / "ctr").read_text(),
                "usr/lib/systemd/system/containerd.service": _unit("/usr/bin/containerd", "always"),
            }
            version = f"{CONTAINERD}-1~debian.{number}~{codename}"
            deb = build_deb(self._folder, "containerd.io", version, service)
            fields = {
                "Suite": codename, "Codename": codename, "Components": "stable",
                "Architectures": "amd64",
            }  # fmt: skip
            top = f"{base}/dists/{codename}"
            self._index(top, base, "stable/binary-amd64/", [deb], signer, fields)

    def _index(
        self,
        top: str,
        pool: str,
        below: str,
        debs: list[Deb],
        signer: Signer,
        fields: Mapping[str, str],
    ) -> None:
        paragraphs = [f"{deb.paragraph}Filename: {deb.name}\n" for deb in debs]
        packages = "\n".join(paragraphs).encode()
        self.pages |= {f"{pool}/{deb.name}": deb.content for deb in debs}
        self.pages[f"{top}/{below}Packages"] = packages
        release = _release({f"{below}Packages": packages}, fields)
        self.pages[f"{top}/InRelease"] = signer.sign(release)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, mirrors: Mirrors, *arguments: Any) -> None:
        self._mirrors = mirrors
        super().__init__(*arguments)

    def do_GET(self) -> None:
        status, content = self._mirrors.find(unquote(urlsplit(self.path).path))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output free of requests."""


@contextmanager
def serve(mirrors: Mirrors, address: str) -> Iterator[str]:
    """Serve the mirrors at an address of this machine. Yields: the URL in front of their names."""
    server = ThreadingHTTPServer((address, 0), partial(_Handler, mirrors))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{address}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
