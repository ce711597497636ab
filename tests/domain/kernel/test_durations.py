import pytest

from domain.kernel.durations import format_seconds


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        pytest.param(-3, "0 s", id="clocks that disagree"),
        pytest.param(0, "0 s", id="nothing"),
        pytest.param(0.044, "0.04 s", id="hundredths below a second"),
        pytest.param(4.24, "4.2 s", id="tenths below ten"),
        pytest.param(9.97, "10 s", id="rounded up to ten"),
        pytest.param(83.4, "83 s", id="seconds below two minutes"),
        pytest.param(185, "3 min 05 s", id="minutes"),
        pytest.param(3599.8, "1 h 00 min", id="rounded up to an hour"),
        pytest.param(3720, "1 h 02 min", id="hours"),
    ],
)
def test_duration_is_as_precise_as_a_reader_needs(seconds: float, words: str) -> None:
    assert format_seconds(seconds) == words
