"""Durations in words, the same in the terminal, in drawings and in reports."""


def format_seconds(seconds: float) -> str:
    """Format a duration with the precision that a reader needs.

    Examples: `0.04 s`, `4.2 s`, `83 s`, `3 min 05 s`, `1 h 02 min`. Less than zero counts as zero:
    the clocks of two machines may disagree.
    """
    seconds = max(seconds, 0.0)
    if round(seconds, 2) < 1:
        return f"{round(seconds, 2):g} s"
    if round(seconds, 1) < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(round(whole / 60), 60)
    return f"{hours} h {minutes:02} min"
