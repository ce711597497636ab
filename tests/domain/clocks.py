"""A clock that jumps."""


class JumpingClock:
    """Sleeping moves it at once; `slept` keeps the pauses, in seconds."""

    def __init__(self) -> None:
        self._now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)
        self._now += seconds
