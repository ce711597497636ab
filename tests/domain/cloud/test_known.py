"""What a remembering cloud keeps, and when it forgets."""

from typing import Any, cast

from domain.cloud.api import Cloud
from domain.cloud.known import ALWAYS_ASKED, CHANGES, KINDS, remembering


def test_every_call_of_the_cloud_is_a_kept_read_a_change_or_always_asked() -> None:
    calls = {name for name in vars(Cloud) if not name.startswith("_")} - {"zone", "known"}
    tables = (set(KINDS), set(CHANGES), set(ALWAYS_ASKED))
    assert calls <= set().union(*tables)
    assert sum(map(len, tables)) == len(set().union(*tables))
    assert set().union(*CHANGES.values()) <= set(KINDS.values())


class Counting:
    """A cloud that counts how often it is asked, and can do something that no table names."""

    def __init__(self) -> None:
        self.asked = 0

    def find_vpcs(self, name: str) -> list[Any]:
        self.asked += 1
        return []

    def create_tag(self, name: str) -> str:
        return "tag-1"

    def repaint_router(self) -> None: ...


def test_an_answer_is_kept_until_its_kind_changes_or_something_unknown_does() -> None:
    plain = Counting()
    cloud = cast(Any, remembering(cast(Cloud, plain)))
    for _ in range(2):
        cloud.known.find_vpcs("router")
    cloud.create_tag("demo")
    cloud.known.find_vpcs("router")
    assert plain.asked == 1
    cloud.find_vpcs("router")
    assert plain.asked == 2
    cloud.repaint_router()
    cloud.known.find_vpcs("router")
    assert plain.asked == 3
