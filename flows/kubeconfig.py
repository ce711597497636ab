"""Write or merge a cluster's kubeconfig: `python -m flows.kubeconfig`."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect import flow

from blocks.accounts import QingCloudAccount
from blocks.settings import user_kubeconfig
from domain.kernel.errors import InvalidSpec
from domain.kernel.names import ClusterId
from domain.secrets.kubeconfig import (
    all_contexts,
    choose_context,
    merge_kubeconfig,
    other_contexts,
    render_kubeconfig,
)
from domain.spec.part import Switch, Whole
from flows._cli.command import cluster_name, run, session
from flows._cli.flags.kubeconfig import Flags, app
from flows._cli.parsing import parse
from tasks.cluster import open_cluster
from tasks.overview import need_cluster
from tasks.run_log import keep_log_short


@dataclass(frozen=True, slots=True)
class KubeconfigReport:
    cluster: str
    path: str
    context: str
    expires: datetime
    backup: str = ""  # the file before the first merge, if there was one


@flow(name="kubeconfig", flow_run_name="kubeconfig {name}", on_running=[keep_log_short])
def kubeconfig(
    account: QingCloudAccount,
    path: str,
    name: str = "demo",
    merge: Switch = False,
    days: Whole = 30,
) -> KubeconfigReport:
    """Write an administrator's kubeconfig, with a client certificate made for it.

    Args:
        account: The account that the cluster is in.
        path: The file to write, on the machine where the flow runs; readable by its owner alone.
        name: The cluster's name.
        merge: Add the cluster to an existing file, instead of replacing the file.
        days: How long the certificate is valid; it cannot be revoked.
    """
    now, validity = datetime.now(UTC), timedelta(days=days)
    with open_cluster(account, name) as cluster:
        need_cluster(cluster)
        cluster.credentials()
        access = cluster.access(f"admin-{now:%Y%m%d%H%M%S}", validity)
    backup = ""
    try:
        file = Path(path).expanduser().resolve()  # a link to it stays a link
        existing = file.read_text(encoding="utf-8") if file.exists() else ""
        if merge:
            file.parent.mkdir(parents=True, exist_ok=True)  # ~/.kube, for a first cluster
            text = merge_kubeconfig(existing, cluster.id, access)
            backup = _back_up(file, existing, cluster.id)
        elif others := other_contexts(existing, cluster.id):
            raise InvalidSpec(
                f"{file} has other contexts ({', '.join(others[:5])}), which would be lost; keep "
                "them with --merge, or name another file"
            )
        else:
            text = render_kubeconfig(cluster.id, access)
        _write_private(file, text)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSpec(f"{path} cannot be written: {_reason(error)}") from error
    context = choose_context(text, cluster.id)
    return KubeconfigReport(name, str(file), context, now + validity, backup)


def _back_up(file: Path, existing: str, cluster: ClusterId) -> str:
    """Copy a file that has none of our entries yet: a merge keeps no comments and no layout.

    Returns: the copy beside it; empty where none is needed.
    """
    contexts = other_contexts(existing, cluster)
    if not contexts or contexts != all_contexts(existing):
        return ""
    copy = file.with_name(f"{file.name}.before-k8s-qingcloud")
    _write_private(copy, existing)
    return str(copy)


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not a text file"


def _write_private(file: Path, text: str) -> None:
    """Replace a file at once; it never exists with the content and a wider mode."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        fresh.replace(file)
    except BaseException:  # half a key must not remain on a full disk
        fresh.unlink(missing_ok=True)
        raise


def main(flags: Flags) -> None:
    """Write a kubeconfig for kubectl, with an administrator's client certificate."""
    name = cluster_name(flags.common)
    path = flags.out or (user_kubeconfig() if flags.merge else Path(f"{name}.kubeconfig"))
    if not 1 <= flags.days <= 365:
        raise InvalidSpec(f"--days {flags.days} is not between 1 and 365")
    with session(flags.common, name) as opened:
        report = kubeconfig(
            opened.account,
            str(path.absolute() if flags.out else path),
            name,
            flags.merge,
            flags.days,
        )
    if report.backup:
        opened.print_line(f"The file as it was, with its comments, is kept as {report.backup}")
    opened.print_line(
        f"Wrote {report.path} (context {report.context}, valid until {report.expires:%Y-%m-%d}).\n"
        f"Try: kubectl --kubeconfig {report.path} --context {report.context} get nodes"
    )
    opened.print_result(report)


if __name__ == "__main__":
    run(main, parse(app))
