"""Whose a run and a deployment are: tags say it, and a run refuses the account of another."""

from prefect.context import FlowRunContext

from domain.kernel.errors import OtherAccount

ACCOUNT_TAG = "account:"
"""Begin of the tag that says for which account a deployment was made; `account_of` follows."""

CLUSTER_TAG = "cluster:"
"""Begin of the tag that says which cluster a run is about."""


def cluster_tags(key: str) -> tuple[str, str]:
    """The tags of a cluster's deployments and runs."""
    return f"{CLUSTER_TAG}{key.rpartition('-')[0]}", f"{ACCOUNT_TAG}{account_of(key)}"


def account_of(key: str) -> str:
    """The part of a cluster's key that is the account's."""
    return key.rpartition("-")[2]


def check_deployed_for(key: str) -> None:
    """Refuse an account that is not the one for which this run's deployment was made.

    Raises:
        OtherAccount: the account's block holds another account by now, or the server serves two
            accounts that have a cluster of this name.
    """
    context = FlowRunContext.get()
    tags = context.flow_run.tags if context and context.flow_run else []
    made_for = [tag.removeprefix(ACCOUNT_TAG) for tag in tags if tag.startswith(ACCOUNT_TAG)]
    if made_for and account_of(key) not in made_for:
        raise OtherAccount(
            f"this deployment was made for account {made_for[0]}, and its block holds account "
            f"{account_of(key)}; nothing was done. Deploy again for the account that is meant"
        )
