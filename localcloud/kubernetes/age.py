"""Durations as kubectl writes them."""

from datetime import UTC, datetime


def age(since: str | None, now: datetime) -> str:
    """A duration as kubectl writes it: 59s, 5m30s, 3h, 2d4h, 400d."""
    if not since:
        return "<unknown>"
    started = datetime.fromisoformat(since.replace("Z", "+00:00"))
    seconds = max(0, int((now.astimezone(UTC) - started).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        rest = seconds % 60
        return f"{minutes}m{rest}s" if rest else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        rest = minutes % 60
        return f"{hours}h{rest}m" if rest else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        rest = hours % 24
        return f"{days}d{rest}h" if rest else f"{days}d"
    if days < 365 * 2:
        return f"{days}d"
    years, rest = days // 365, days % 365
    return f"{years}y{rest}d" if years < 8 and rest else f"{years}y"
