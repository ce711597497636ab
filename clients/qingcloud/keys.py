"""SSH key pairs: the cloud keeps the public half."""

from collections.abc import Sequence

from clients.qingcloud.calls import Calls
from clients.qingcloud.reply import Item
from clients.qingcloud.transport import some
from domain.cloud.records import KeyPair


class KeyCalls(Calls):
    def find_keypairs(self, name: str) -> list[KeyPair]:
        """Find the key pairs of exactly this name."""
        items = self._find("DescribeKeyPairs", "keypair", name, verbose=1)
        return [_keypair(item) for item in items]

    def search_keypairs(self, prefix: str) -> list[KeyPair]:
        """Find the key pairs whose names have a prefix."""
        items = self._search("DescribeKeyPairs", "keypair", prefix, verbose=1)
        return [_keypair(item) for item in items]

    def read_keypairs(self, keypair_ids: Sequence[str]) -> list[KeyPair]:
        """Read the key pairs with these ids that exist."""
        items = self._read("DescribeKeyPairs", "keypair_set", "keypairs", keypair_ids, verbose=1)
        return [_keypair(item) for item in items]

    def create_keypair(self, name: str, public_key: str) -> str:
        """Register a public key of ours. Returns: the id.

        Args:
            public_key: the line as OpenSSH writes it: algorithm, base64, and maybe a comment.
        """
        words = public_key.split()
        if len(words) < 2:
            raise ValueError("a public key is a line of algorithm and base64")
        reply = self._transport.change(
            "CreateKeyPair",
            {
                "keypair_name": name,
                "mode": "user",
                "encrypt_method": words[0],
                "public_key": " ".join(words),
            },
        )
        return reply.text("keypair_id")

    def delete_keypairs(self, keypair_ids: Sequence[str]) -> None:
        """Delete key pairs that no machine uses."""
        self._transport.change("DeleteKeyPairs", {"keypairs": some(keypair_ids)})


def _keypair(item: Item) -> KeyPair:
    return KeyPair(
        id=item.text("keypair_id"),
        name=item.optional_text("keypair_name"),
        public_key=item.text("pub_key"),
        instance_ids=item.optional_texts("instance_ids"),
        created_at=item.moment("create_time"),
    )
