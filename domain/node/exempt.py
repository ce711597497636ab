"""Machines that are never removed: by a label of their nodes, or by the policy's list."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

EXEMPT = "k8s-qingcloud/exempt"
"""Label of a node; with the value `true` its machine is never removed or replaced."""


def is_exempt(
    names: Sequence[str], labels: Mapping[str, str], patterns: Sequence[str] = ()
) -> bool:
    """Whether a machine is exempt.

    Args:
        names: the machine's id and its node's name.
        labels: of its node.
        patterns: the list of its group's scaling policy; `*` is a wildcard.
    """
    listed = any(fnmatchcase(name, pattern) for pattern in patterns for name in names)
    return listed or labels.get(EXEMPT) == "true"
