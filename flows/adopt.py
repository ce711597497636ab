"""Make a machine that exists a node, or release it: `python -m flows.adopt`."""

from prefect import flow

from blocks.accounts import QingCloudAccount
from domain.kernel.names import NODES
from domain.reports.cluster import ClusterReport
from domain.spec.cluster import ClusterName, GroupName
from domain.spec.part import Switch
from flows._cli.command import cluster_name, run, session
from flows._cli.flags.adopt import Flags, app
from flows._cli.parsing import parse
from flows._cli.terminal import show_report
from flows.runbooks.adopt import adopt_machine, release_machine
from tasks.adoption import find_released, plan_adoption
from tasks.cluster import Cluster, open_cluster
from tasks.executors import PrefectSteps
from tasks.finish import finish_run
from tasks.overview import need_cluster, need_spec
from tasks.run_log import keep_log_short
from tasks.runs import only_run
from tasks.steps import Recorder, listening


@flow(
    name="adopt",
    flow_run_name="adopt {machine} for {name}",
    on_running=[keep_log_short],
)
def adopt(
    account: QingCloudAccount,
    machine: str,
    name: ClusterName = "demo",
    group: GroupName = NODES,
    host_key: str = "",
    accept_new_host_key: Switch = False,
    release: Switch = False,
) -> ClusterReport:
    """Make a machine that exists a node of a group, or release it again.

    The machine stays what it is in the cloud: it is not counted for the group's size, and neither
    scaled, replaced, upgraded nor deleted.

    Args:
        account: The account that the cluster and the machine are in.
        machine: The machine's id.
        name: The cluster's name.
        group: The group whose labels and taints the node gets.
        host_key: The machine's public SSH host key; no other one is accepted.
        accept_new_host_key: Accept the host key that the machine presents at the first login.
        release: Empty the node and take Kubernetes off the machine instead.
    """
    steps, recorder = PrefectSteps(), Recorder()
    with open_cluster(account, name) as cluster, listening(recorder):
        cluster = described(cluster, accept_new_host_key=accept_new_host_key)
        with only_run(cluster):
            if release:
                release_machine(steps, cluster, *find_released(cluster, machine))
            else:
                adopt_machine(steps, cluster, plan_adoption(cluster, machine, group, host_key))
        timeline = recorder.timeline(f"{'release' if release else 'adopt'} {machine}")
        return finish_run(cluster, cluster.spec, timeline)


def described(cluster: Cluster, *, accept_new_host_key: bool = False) -> Cluster:
    """The handle of an existing cluster with its stored description."""
    need_cluster(cluster)
    return cluster.wanting(need_spec(cluster), accept_new_host_keys=accept_new_host_key)


def main(flags: Flags) -> None:
    """Check the machine, and make it a node or release it."""
    name = cluster_name(flags.common)
    with session(flags.common, name) as opened:
        cluster = described(opened.cluster, accept_new_host_key=flags.accept_new_host_key)
        if flags.release:
            find_released(cluster, flags.machine)
        else:
            plan_adoption(cluster, flags.machine, flags.group, flags.host_key)
        report = adopt(
            opened.account,
            flags.machine,
            name,
            flags.group,
            flags.host_key,
            flags.accept_new_host_key,
            flags.release,
        )
    show_report(report)
    opened.print_result(report)


if __name__ == "__main__":
    run(main, parse(app))
