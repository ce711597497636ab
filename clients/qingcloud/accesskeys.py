"""API keys: the owner of the client's key."""

from clients.qingcloud.calls import Calls
from domain.kernel.errors import FinalError


class AccessKeyCalls(Calls):
    def read_user(self) -> str:
        """Read the id of the owner of the client's key; a new key of the owner has the same one.

        Raises:
            FinalError: the cloud does not list the key.
        """
        action, key = "DescribeAccessKeys", self._transport.key_id
        for item in self._read(action, "access_key_set", "access_keys", [key]):
            if item.text("access_key_id") == key:
                return item.text("owner")
        raise FinalError(f"{action}: the cloud does not list the API key in use")
