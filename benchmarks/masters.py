"""What clients notice of masters that come, go and are lost: `python -m benchmarks.masters`.

On a local cloud of its own a cluster gets three masters instead of one, loses the first, has it
replaced, and goes back to one, by the commands that a person types. All the time a client writes
and reads through the public address, once a second, each time over a new connection and without
retries. Each line says how many of
its requests failed and how long it had to wait longest from one success to the next; the last
column is the ratio of that wait to its own second.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import kubernetes
import urllib3

from domain.kernel.names import MASTERS
from tests.acceptance.workplace import Workplace, clean_environment, free_port, prefect_server

PERIOD = 1.0
"""Seconds between two rounds of the client."""

NAMESPACE, NAME = "default", "client"
MEMBERS = """\
bash "${SYSROOT:-}/opt/k8s-installers/etcd_members.sh" list
"""


@dataclass
class Noticed:
    """What a client has noticed in one part of the story; `gap` is in seconds."""

    requests: int = 0
    failures: list[str] = field(default_factory=list)
    gap: float = 0.0
    wrong: int = 0


class Client:
    """Writes a number and reads it back, each second, until `close`."""

    def __init__(self, kubeconfig: Path) -> None:
        config = kubernetes.client.Configuration()
        kubernetes.config.load_kube_config(  # type: ignore[no-untyped-call]
            str(kubeconfig), client_configuration=config
        )
        config.retries = urllib3.Retry(0)
        client = kubernetes.client.ApiClient(config, "Connection", "close")
        self._api = kubernetes.client.CoreV1Api(client)
        self._noticed, self._number = Noticed(), 0
        self._last = time.monotonic()
        self._lock, self._end = threading.Lock(), threading.Event()
        self._api.create_namespaced_config_map(NAMESPACE, self._body())
        self._thread = threading.Thread(target=self._run, name="client")
        self._thread.start()

    def part(self) -> Noticed:
        """What was noticed since the last call."""
        with self._lock:
            done, self._noticed = self._noticed, Noticed()
            self._last = time.monotonic()
            return done

    def close(self) -> None:
        self._end.set()
        self._thread.join()

    def _body(self) -> kubernetes.client.V1ConfigMap:
        metadata = kubernetes.client.V1ObjectMeta(name=NAME)
        return kubernetes.client.V1ConfigMap(metadata=metadata, data={"number": str(self._number)})

    def _run(self) -> None:
        while not self._end.wait(PERIOD):
            self._number += 1
            if self._ask("write", self._write):
                self._ask("read", self._read)

    def _write(self) -> bool:
        self._api.replace_namespaced_config_map(
            NAME, NAMESPACE, self._body(), _request_timeout=(3, 5)
        )
        return True

    def _read(self) -> bool:
        seen = self._api.read_namespaced_config_map(NAME, NAMESPACE, _request_timeout=(3, 5))
        return bool(seen.data == {"number": str(self._number)})

    def _ask(self, what: str, act: Callable[[], bool]) -> bool:
        try:
            is_right, failure = act(), ""
        except (urllib3.exceptions.HTTPError, kubernetes.client.ApiException) as error:
            is_right, failure = True, f"{what}: {type(error).__name__}"
        now = time.monotonic()
        with self._lock:
            self._noticed.requests += 1
            self._noticed.wrong += not is_right
            if failure:
                self._noticed.failures.append(failure)
            else:
                self._noticed.gap = max(self._noticed.gap, now - self._last)
                self._last = now
        return not failure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="fast", choices=("instant", "fast", "realistic"))
    profile = parser.parse_args().profile
    with workplace(profile) as place:
        command(place, "flows.provision", "--nodes", "1", "--no-demo", "--no-ui")
        with client_of(place) as client:
            members = story(place, client)
    print(f"members of etcd after the replacement: {members}, wanted 3")
    return 0 if members == 3 else 1


def story(place: Workplace, client: Client) -> int:
    """Let masters come, go and be lost. Returns: the members of etcd after the replacement."""
    client.part()
    scale = ("flows.scale", "--group", MASTERS, "--yes")
    command(place, *scale, "--count", "3")
    show("from one master to three", client.part())
    lose_first_master(place)
    time.sleep(30)  # long enough for the health checks of every profile
    show("the first one terminated", client.part())
    command(place, "flows.repair", "--yes")
    show("replaced by flows.repair", client.part())
    members = count_members(place)
    command(place, *scale, "--count", "1")
    show("from three masters to one", client.part())
    return members


def lose_first_master(place: Workplace, cluster: str = "demo") -> None:
    """Terminate the oldest master behind the back of the product."""
    cloud = place.client()
    found = [one for one in cloud.find_instances(f"k8s.{cluster}.") if one.name.endswith(MASTERS)]
    first = min((one for one in found if one.is_alive), key=lambda one: (one.created_at, one.id))
    cloud.terminate_instances([first.id])


def count_members(place: Workplace, cluster: str = "demo") -> int:
    """The members that etcd lists, asked on a master by the product's own script."""
    script = place.home / "members.sh"
    script.write_text(MEMBERS)
    words = ("--name", cluster, "--script", str(script), "--group", MASTERS, "--json")
    found = command(place, "flows.run_script", *words)
    outputs: list[str] = [machine["output"] for machine in json.loads(found)["results"]]
    return max(text.count("MEMBER ") for text in outputs)


def show(title: str, noticed: Noticed) -> None:
    """Print one line about a part of the story."""
    print(
        f"{title:28}{len(noticed.failures):3} of {noticed.requests:4} requests failed, longest gap "
        f"{noticed.gap:5.1f} s, {noticed.wrong} wrong answers, {noticed.gap / PERIOD:5.1f}x"
    )
    for kind in sorted(set(noticed.failures)):
        print(f"    {noticed.failures.count(kind):3}  {kind}")


def command(place: Workplace, *words: str) -> str:
    began = time.monotonic()
    process = place.start(*words)
    out, err = process.communicate(timeout=900)
    if process.returncode:
        sys.exit(f"{' '.join(words)} ended with {process.returncode}: {err[-2000:]}")
    print(f"# {' '.join(words)}: {time.monotonic() - began:.0f} s", flush=True)
    return out


@contextmanager
def client_of(place: Workplace) -> Iterator[Client]:
    """A client with an administrator's certificate, through the public address."""
    file = place.home / "client.kubeconfig"
    command(place, "flows.kubeconfig", "--out", str(file))
    client = Client(file)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def workplace(profile: str) -> Iterator[Workplace]:
    """A home, a Prefect server and a local cloud of the benchmark's own."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        environment = clean_environment(home)
        with prefect_server(environment, free_port(), home / "prefect.log") as url:
            place = Workplace(home, environment | {"PREFECT_API_URL": url})
            command(place, "localcloud", "up", "--profile", profile)
            try:
                yield place
            finally:
                command(place, "localcloud", "down")


if __name__ == "__main__":
    sys.exit(main())
