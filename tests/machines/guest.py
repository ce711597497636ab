"""A Debian guest with a real systemd, sshd, apt and dpkg, booted by systemd-nspawn.

The root tree is made once by mmdebstrap, from the packages that apt on this machine is configured
for, and kept in the user's cache. A guest writes into an overlay in memory, so each one is new, and
lives in a network namespace of its own that reaches this machine and nothing else.
"""

import fcntl
import hashlib
import inspect
import io
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

RELEASES = {"12": "bookworm", "13": "trixie"}

PACKAGES = (
    "ca-certificates", "conntrack", "curl", "dbus", "ethtool", "gnupg", "iproute2", "iptables",
    "kmod", "libpam-systemd", "openssh-server", "openssl", "procps", "socat", "sudo", "systemd",
    "systemd-sysv", "udev",
)  # fmt: skip
"""What an image of the cloud has, and what Kubernetes' packages depend on."""

NEEDED = ("dpkg-deb", "gpg", "ip", "mmdebstrap", "systemd-nspawn")
NSPAWN = {
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
}
"""Control groups of version 2 whatever this machine has; the guest may set its own network up."""

BUILD_LIMIT, BOOT_LIMIT = 600, 60  # seconds


def missing_condition() -> str | None:
    """The reason why no guest can run on this machine, or None."""
    if os.geteuid() != 0:
        return "systemd-nspawn needs root"
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not installed (Debian: mmdebstrap systemd-container iproute2)"
    for kind in ("overlay", "cgroup2"):
        if f"\t{kind}\n" not in Path("/proc/filesystems").read_text():
            return f"the kernel has no {kind}"
    probe = subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True, text=True)
    return None if probe.returncode == 0 else f"no new namespaces: {probe.stderr.strip()}"


def build(release: str) -> Path:
    """Return the root tree of a release, made where it is not kept yet. Takes about a minute.

    Raises:
        subprocess.CalledProcessError: no packages; its output says why.
    """
    recipe = " ".join((release, *PACKAGES, inspect.getsource(_make)))
    recipe = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = cache / "kubernetes-on-qingcloud/machines" / f"debian-{release}-{recipe}"
    root.parent.mkdir(parents=True, exist_ok=True)
    with (root.parent / "lock").open("w") as lock:  # tests run in more than one process
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            _make(release, root)
    return root


def _make(release: str, root: Path) -> None:
    growing = root.with_name(f"{root.name}.{os.getpid()}.part")
    command = [
        "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}",
        RELEASES[release], str(growing), *_source(release),
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, timeout=BUILD_LIMIT)
        for file in (growing / "etc/machine-id", *growing.glob("etc/ssh/ssh_host_*")):
            file.unlink(missing_ok=True)
        (growing / "etc/hostname").write_text("image\n")
        # As on a cloud's image; without it, sudo asks a name server for its own name.
        (growing / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 image\n")
        (growing / "etc/resolv.conf").unlink(missing_ok=True)
        # The user of some images, with the right to become root; sshd needs no owner of his folder
        # but root.
        _do("chroot", str(growing), "useradd", "--create-home", "--shell", "/bin/bash", "admin")
        (growing / "etc/sudoers.d/admin").write_text("admin ALL=(ALL) NOPASSWD:ALL\n")
        # Nothing outside is reachable; what a test needs comes from its own server.
        for source in growing.glob("etc/apt/sources.list*"):
            shutil.rmtree(source) if source.is_dir() else source.unlink()
        (growing / "etc/apt/sources.list.d").mkdir()
        growing.rename(root)
    finally:
        shutil.rmtree(growing, ignore_errors=True)


def _source(release: str) -> list[str]:
    """Where apt on this machine has Debian's packages from; none where it is another system."""
    targets = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)"]
    done = subprocess.run([*targets, "Created-By: Packages"], capture_output=True, text=True)
    own = [line.split() for line in done.stdout.splitlines()]
    urls = [words[2] for words in own if words[:2] == ["Debian", "Debian"]]
    return [f"deb {urls[0]} {RELEASES[release]} main"] if urls else []


def sweep() -> None:
    """End the guests of runs that were killed: their namespaces are named after their process."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    for name in (line.split()[0] for line in listed.splitlines() if line.startswith("k8sm-")):
        if Path("/proc", name.split("-")[1]).exists():
            continue
        inside = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
        for number in inside.stdout.split():
            with suppress(ProcessLookupError):
                os.kill(int(number), signal.SIGKILL)
        # Another process of the tests may have been faster.
        subprocess.run(["ip", "netns", "delete", name], capture_output=True)


@dataclass
class Guest:
    """One machine. `root` is its root tree as this machine sees it; `gateway` is this machine."""

    root: Path
    console: Path
    name: str
    address: str
    gateway: str
    _process: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Start it, and return when SSH answers.

        Raises:
            AssertionError: it did not come up; the console's last lines are in the message.
        """
        with self.console.open("ab") as console:
            self._process = subprocess.Popen(
                [
                    "systemd-nspawn", "--quiet", f"--directory={self.root}", "--boot",
                    "--register=no", "--keep-unit", "--console=pipe", f"--machine={self.name}",
                    f"--network-namespace-path=/run/netns/{self.name}", "--capability=all",
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, **NSPAWN},
                start_new_session=True,
            )  # fmt: skip
        ends = time.monotonic() + BOOT_LIMIT
        while not self.offers_ssh():
            if time.monotonic() > ends or self._process.poll() is not None:
                last = self.console.read_text(errors="replace")[-2000:]
                raise AssertionError(f"the guest did not come up: {last}")
            time.sleep(0.1)

    def offers_ssh(self) -> bool:
        try:
            with socket.create_connection((self.address, 22), timeout=5) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def halt(self) -> None:
        """Cut its power; the root tree stays."""
        if self._process is None:
            return
        # Its first process ends all others of the guest, and then systemd-nspawn. The other way
        # round the guest would live on.
        number = self._process.pid
        for first in Path(f"/proc/{number}/task/{number}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(first), signal.SIGKILL)
        self._process.wait(timeout=30)
        self._process = None


@contextmanager
def new_guest(release: str, folder: Path, userdata: bytes = b"") -> Iterator[Guest]:
    """A machine that is off, with the files of this userdata (a tar) on its disk."""
    lower = build(release)
    root = folder / "root"
    with ExitStack() as undo:
        _do("mount", "-t", "tmpfs", "-o", "size=2g,mode=755", "guest", str(folder))
        undo.callback(_do, "umount", "--lazy", str(folder))
        for part in ("upper", "work", "root"):
            (folder / part).mkdir()
        layers = f"lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work"
        _do("mount", "-t", "overlay", "-o", layers, "guest", str(root))
        undo.callback(_do, "umount", "--lazy", str(root))
        if userdata:
            with tarfile.open(fileobj=io.BytesIO(userdata)) as archive:
                archive.extractall(root, filter="tar")
        name, gateway, address = undo.enter_context(_network())
        guest = Guest(root, folder / "console", name, address, gateway)
        undo.callback(guest.halt)
        yield guest


@contextmanager
def _network() -> Iterator[tuple[str, str, str]]:
    """A namespace with one cable to this machine. Yields: its name, this end, the guest's end."""
    number = next(_numbers)
    name = f"k8sm-{os.getpid()}-{number}"
    cable = f"vm{os.getpid()}.{number}"[-15:]
    block = (os.getpid() * 8 + number) % 16384
    prefix = f"10.213.{block // 64}.{block % 64 * 4}"
    stem, _, last = prefix.rpartition(".")
    gateway, address = f"{stem}.{int(last) + 1}", f"{stem}.{int(last) + 2}"
    _do("ip", "netns", "add", name)
    try:
        _do("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        _do("ip", "addr", "add", f"{gateway}/30", "dev", cable)
        _do("ip", "link", "set", cable, "up")
        for words in (
            f"addr add {address}/30 dev eth0", "link set eth0 up", "link set lo up",
            f"route add default via {gateway}",
        ):  # fmt: skip
            _do("ip", "-n", name, *words.split())
        yield name, gateway, address
    finally:
        _do("ip", "link", "delete", cable)
        _do("ip", "netns", "delete", name)


_numbers = itertools.count()


def _do(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
