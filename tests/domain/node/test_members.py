"""The quorum of etcd: which member may leave, and when a master may join."""

import pytest

from domain.kernel.errors import CommandFailed, QuorumAtRisk, TemporaryError
from domain.node.members import Member, check_join, check_removal, find_lost, list_members
from domain.node.shell import Output, Shell


def members(*states: str) -> list[Member]:
    """Members a, b, c …: `+` answers, `-` does not, `l` is a learner that answers."""
    return [
        Member(f"{number}", f"k8s-master-{name}", "", is_healthy=state != "-", votes=state != "l")
        for number, (name, state) in enumerate(zip("abcde", states, strict=False))
    ]


@pytest.mark.parametrize(
    ("states", "leaving", "allowed"),
    [
        ("+", 0, False),
        ("++", 0, True),
        ("+-", 1, True),
        ("+-", 0, False),
        ("+++", 0, True),
        ("++-", 2, True),
        ("++-", 0, False),
        ("+++--", 3, True),
        ("+++--", 0, False),
        ("++++-", 0, True),
        ("++---", 4, False),
        ("++l", 2, True),
        ("+-l", 2, True),
    ],
)
def test_a_member_leaves_only_where_the_others_are_a_quorum(
    states: str, leaving: int, allowed: bool
) -> None:
    known = members(*states)
    if allowed:
        check_removal("demo", known, known[leaving])
        return
    with pytest.raises(QuorumAtRisk, match=f"master {known[leaving].name} of cluster demo"):
        check_removal("demo", known, known[leaving])


def test_a_master_joins_only_while_every_other_member_answers() -> None:
    check_join("demo", members("+", "+"))
    with pytest.raises(QuorumAtRisk, match=r"does not answer: k8s-master-b\. Start .*repair"):
        check_join("demo", members("+", "-"))
    check_join("demo", members("+", "-"), "k8s-master-b", "10.0.0.2")  # it joins again itself


def test_members_without_a_machine_are_found_by_name_and_before_their_start_by_address() -> None:
    kept = Member("1", "k8s-master-a", "https://10.0.0.1:2380")
    lost = Member("2", "k8s-master-b", "https://10.0.0.3:2380")  # its address was given again
    unstarted = Member("3", "", "https://10.0.0.3:2380")
    known = [("k8s-master-a", "10.0.0.1"), ("k8s-master-c", "10.0.0.3")]
    assert find_lost([kept, lost, unstarted], known) == (lost,)
    assert find_lost([unstarted], known[:1]) == (unstarted,)


class Answering:
    """A shell with one answer."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def run(self, argv: list[str], **_: object) -> Output:
        assert argv[-1] == "list"
        return self._output


def listed(output: Output) -> tuple[Member, ...]:
    shell: Shell = Answering(output)  # type: ignore[assignment]
    return list_members(shell)


def test_the_list_of_the_script_is_read() -> None:
    text = (
        "MEMBER a1 healthy started voter https://10.0.0.1:2380 k8s-master-a\n"
        "MEMBER b2 unhealthy unstarted learner https://10.0.0.2:2380 \n"
    )
    assert listed(Output(text, "", 0)) == (
        Member("a1", "k8s-master-a", "https://10.0.0.1:2380"),
        Member("b2", "", "https://10.0.0.2:2380", is_healthy=False, votes=False),
    )
    with pytest.raises(TemporaryError, match="no quorum"):
        listed(Output("", "ERROR etcd has no quorum\n", 32))
    with pytest.raises(CommandFailed, match="refuses"):
        listed(Output("", "ERROR etcd refuses\n", 35))
