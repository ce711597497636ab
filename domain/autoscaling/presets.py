"""Ready policies: the two readings of the article, and one without metric rules."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from domain.autoscaling.policy import (
    Comparator,
    LowUse,
    MetricRule,
    ScalingPolicy,
    Statistic,
)
from domain.errors import InvalidSpec

DEFAULT = "article-text"

_TEXT = ScalingPolicy(
    rules=(
        MetricRule(comparator=Comparator.ABOVE, threshold=32, step=1),
        MetricRule(
            statistic=Statistic.SMALLEST, comparator=Comparator.BELOW, threshold=20, step=-1
        ),
    ),
)

_SCREEN = ScalingPolicy(
    minimum=3,
    maximum=10,
    rules=(
        MetricRule(window_seconds=180, comparator=Comparator.AT_LEAST, threshold=32, step=1),
        MetricRule(
            statistic=Statistic.SMALLEST,
            window_seconds=180,
            comparator=Comparator.AT_MOST,
            threshold=11,
            step=-1,
        ),
    ),
    pending_pods=False,
    interval_seconds=120,
)

PRESETS: Mapping[str, ScalingPolicy] = MappingProxyType(
    {
        # The article's words: above 32 of 40 pods on average one more, below 20 somewhere one less.
        "article-text": _TEXT,
        # The article's picture of the product's form, which has other numbers.
        "article-screen": _SCREEN,
        "pending": ScalingPolicy(low_use=LowUse()),
    }
)


def parse_policy(document: Mapping[str, Any]) -> ScalingPolicy:
    """Check a policy as a user writes it; with `preset` the other keys are laid over that one.

    Raises:
        InvalidSpec: names the first wrong field, and what would be right.
    """
    rest = dict(document)
    name = rest.pop("preset", None)
    base = find_preset(str(name)).model_dump(mode="json") if name is not None else {}
    try:
        return ScalingPolicy.model_validate(base | rest)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the policy"
        if first["type"] == "extra_forbidden":
            raise InvalidSpec(
                f"unknown key {where!r} in the policy; known are: preset, "
                f"{', '.join(ScalingPolicy.model_fields)}"
            ) from error
        raise InvalidSpec(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error


def find_preset(name: str) -> ScalingPolicy:
    """Take a ready policy by its name. Raises `InvalidSpec`, naming those that there are."""
    preset = PRESETS.get(name)
    if preset is None:
        raise InvalidSpec(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    return preset
