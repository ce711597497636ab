from decimal import Decimal

import pytest

from domain.kernel.money import (
    PlanCost,
    add_up,
    format_plan_cost,
    format_rate,
    format_yuan,
    from_micro,
    to_micro,
)


@pytest.mark.parametrize(
    ("yuan", "words"),
    [
        ("0", "0.00 yuan"),
        ("0.0424", "0.042 yuan"),
        ("1.255", "1.26 yuan"),
        ("1840.4", "1,840 yuan"),
        ("-2", "-2.00 yuan"),
    ],
)
def test_amount_has_the_significant_digits(yuan: str, words: str) -> None:
    assert format_yuan(Decimal(yuan)) == words


def test_micro_yuan_are_exact() -> None:
    assert from_micro(to_micro(Decimal("0.123456"))) == Decimal("0.123456")


def test_rate_names_unknown_prices() -> None:
    rate = add_up([("router", Decimal("0.5")), ("x9", None), ("x9", None)], guessed=True)
    assert format_rate(rate) == (
        "at least 0.500 yuan an hour, 365.00 yuan a month "
        "(price unknown: x9; prices are guesses; set yours under `prices`)"
    )


def test_exact_rate_has_no_brackets() -> None:
    rate = add_up([("router", Decimal(1))], guessed=False)
    assert format_rate(rate) == "1.00 yuan an hour, 730.00 yuan a month"


def test_cost_of_a_plan_names_the_current_rate() -> None:
    one = add_up([("a", Decimal(1))], guessed=False)
    two = add_up([("a", Decimal(2))], guessed=False)
    assert format_plan_cost(PlanCost(one, two)) == (
        "Cost: 2.00 yuan an hour, 1,460 yuan a month; now 1.00 yuan an hour"
    )
    assert format_plan_cost(PlanCost(one, one)).endswith("a month, as now")
