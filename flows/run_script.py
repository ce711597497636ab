"""Run a script on the machines of a group: `python -m flows.run_script`."""

from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from blocks.accounts import QingCloudAccount
from domain.kernel.errors import InvalidSpec, NotFound
from domain.kernel.names import NODES
from domain.node.scripts import (
    USUAL_AT_ONCE,
    Script,
    ScriptFailed,
    ScriptReport,
    check_bounds,
)
from domain.spec.cluster import ClusterName, GroupName
from domain.spec.part import Switch, Whole
from domain.spec.scripts import check_script
from flows._cli.command import cluster_name, run, session
from flows._cli.flags.run_script import Flags, app
from flows._cli.parsing import parse
from flows._cli.terminal import show_scripts
from tasks.cluster import open_cluster
from tasks.endpoints import read_spec_at_kept_endpoints
from tasks.executors import PrefectSteps
from tasks.metrics import need_machines
from tasks.run_log import keep_log_short
from tasks.scripts import Turns, run_on_group
from tasks.tables import publish_scripts


@flow(name="run-script", flow_run_name="run-script {name} {group}", on_running=[keep_log_short])
def run_script(
    account: QingCloudAccount,
    script: str = "",
    name: ClusterName = "demo",
    group: GroupName = NODES,
    timeout: Annotated[Whole, Field(ge=1, le=86_400)] = 600,
    at_once: Annotated[Whole, Field(ge=1, le=64)] = USUAL_AT_ONCE,
    fail_fast: Switch = False,
    delay: Annotated[Whole, Field(ge=0, le=3600)] = 0,
    interval: Annotated[Whole, Field(ge=0, le=3600)] = 0,
) -> ScriptReport:
    """Run a script as root on each machine of a group, and report how it ended there.

    The script is a parameter, which the Prefect server keeps: no secret belongs in it.

    Args:
        account: The account that the cluster is in.
        script: Lines of bash, or of the language that its first line names, such as `#!/usr/bin/…`.
        name: The cluster's name.
        group: The group of machines; `k8s-master` is one, too.
        timeout: Seconds on each machine; then it is ended, with all that it has started.
        at_once: Machines at the same time.
        fail_fast: Begin on no further machine after a failure.
        delay: Seconds before the first machine.
        interval: Seconds between the starts on two machines.

    Raises:
        ScriptFailed: it did not end well on each machine; it carries the report.
    """
    check_script(script)
    check_bounds(timeout, at_once, delay, interval)
    with open_cluster(account, name) as cluster:
        seen = need_machines(cluster)
        cluster.check_not_ending()
        machines = seen.group(group)
        if not machines:
            known = ", ".join(sorted({seen.group_of(one) for one in seen.instances}))
            raise NotFound(f"cluster {name} has no machine of group {group!r}; it has: {known}")
        cluster, stored = read_spec_at_kept_endpoints(cluster, seen)
        if stored:
            cluster = cluster.wanting(stored)
        turns = Turns(at_once, delay, interval, fail_fast)
        report = PrefectSteps().run(
            run_on_group, cluster, group, machines, Script(script, timeout), turns
        )
        publish_scripts(report, cluster.key)
    if report.failed:
        raise ScriptFailed(report.sentence, report)
    return report


def main(flags: Flags) -> None:
    """Run a script on a group's machines, and show exit code, seconds and output of each."""
    name, text = cluster_name(flags.common), read_script(flags.script)
    check_bounds(flags.timeout, flags.at_once, flags.delay, flags.interval)
    failure: ScriptFailed | None = None
    with session(flags.common, name) as opened:
        try:
            report = run_script(
                opened.account,
                text,
                name,
                flags.group,
                flags.timeout,
                flags.at_once,
                flags.fail_fast,
                flags.delay,
                flags.interval,
            )
        except ScriptFailed as error:
            report, failure = error.report, error
    show_scripts(report, whole=flags.output)
    opened.print_result(report)
    if failure:
        raise failure


def read_script(file: Path) -> str:
    """Read a script's file, as it is. Raises `InvalidSpec`."""
    try:
        text = file.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSpec(f"the script {file} cannot be read: {error}") from error
    return check_script(text, f"the script {file}")


if __name__ == "__main__":
    run(main, parse(app))
