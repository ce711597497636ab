"""API keys: the account's one key."""

from localcloud.iaas.answers import Document, page
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.parameters import Parameters


def describe_access_keys(cloud: Cloud, parameters: Parameters) -> Document:
    """Show the key and its user, without the secret."""
    account, wanted = cloud.account, parameters.texts("access_keys")
    key = {
        "access_key_id": account.key_id,
        "access_key_name": "local",
        "description": "",
        "owner": account.user_id,
        "root_user_id": account.user_id,
        "status": "active",
        "ip_white_list": "",  # a text in all generations of the vendor's clients
    }
    found = [key] if not wanted or account.key_id in wanted else []
    return page(parameters, "access_key_set", found, lambda shown: shown)


ACTIONS = {"DescribeAccessKeys": describe_access_keys}
