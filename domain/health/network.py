"""Do machines reach each other, and the API by the load balancer?"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.cloud.records import Instance
from domain.health.findings import Finding, Subject, trouble, well
from domain.kernel.texts import first_of
from domain.node.shell import Shell

MOST_MACHINES = 64
"""In a larger cluster, so many of the nodes are visited, spread over all of them."""

KUBELET, API = 10250, 6443

DEADLINE = 60.0

# An answer of any kind counts: without a certificate the kubelet answers that it may not.
REACH = """\
for target in "$@"; do
  curl -ksS -o /dev/null --connect-timeout 3 --max-time 6 "https://$target" 2>&1 \
    || printf 'UNREACHED %s\\n' "$target"
done
"""


@dataclass(frozen=True, slots=True)
class Way:
    """A machine, and the address and port that it should reach."""

    machine: Instance
    target: str


@dataclass(frozen=True, slots=True)
class Reached:
    """A machine, with the targets that it did not reach; `why` where it was not asked."""

    node: str
    missed: tuple[str, ...] = ()
    why: str = ""


def choose_ring(machines: Sequence[Instance], most: int = MOST_MACHINES) -> list[Way]:
    """Let each machine reach the next one, in the order of their ids; of many a part.

    So each machine is reached, and reaches, and a cluster of any size costs one login a machine.
    """
    ordered = sorted(machines, key=lambda one: one.id)
    step = max(1, -(-len(ordered) // most))
    ring = ordered[::step]
    following = [*ring[1:], *ring[:1]]
    return [
        Way(machine, f"{other.private_ip}:{KUBELET}/healthz")
        for machine, other in zip(ring, following, strict=True)
        if other is not machine
    ]


def reach(shell: Shell, node: str, targets: Sequence[str]) -> Reached:
    """Try targets from a machine, one after the other. Raises as `Shell.run` does."""
    done = shell.run(["bash", "-c", REACH, "reach", *targets], deadline=DEADLINE)
    lines = (line.split() for line in done.stdout.splitlines())
    missed = [words[1] for words in lines if words[:1] == ["UNREACHED"] and len(words) == 2]
    return Reached(node, tuple(one.partition("/")[0] for one in missed))


def check_network(found: Sequence[Reached]) -> Finding:
    """Check what machines have reached."""
    silent = [f"{one.node} ({one.why})" for one in found if one.why]
    if silent:
        return trouble(Subject.NETWORK, f"no login to {first_of(silent, 2)}")
    missed = [
        f"{one.node} does not reach {' and '.join(one.missed)}" for one in found if one.missed
    ]
    if missed:
        return trouble(
            Subject.NETWORK,
            first_of(missed, 3),
            "Look at the rules of the security groups, and whether the vxnet is on the router",
        )
    return well(Subject.NETWORK, f"{len(found)} machines reach their neighbours and the API")
