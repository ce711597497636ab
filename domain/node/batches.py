"""How many machines a change takes at a time: one canary, then a share of the group."""


def next_batch(left: int, total: int, share: int, *, is_canary: bool) -> int:
    """The number of machines that are changed next.

    Args:
        left: machines that are still to be changed.
        total: machines of the group.
        share: of these at a time, in percent; at least one.
        is_canary: whether none has been changed yet.
    """
    at_once = 1 if is_canary else max(1, total * share // 100)
    return min(left, at_once)
