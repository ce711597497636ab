"""Ready policies: the two readings of the article, and one without metric rules."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from domain.kernel.errors import InvalidSpec
from domain.spec.conditions import Comparator, Statistic
from domain.spec.scaling import LowUse, MetricRule, ScalingPolicy

DEFAULT = "article-text"

_TEXT = ScalingPolicy(
    rules=(
        MetricRule(comparator=Comparator.ABOVE, threshold=32, step=1),
        MetricRule(statistic=Statistic.MINIMUM, comparator=Comparator.BELOW, threshold=20, step=-1),
    ),
)

_SCREEN = ScalingPolicy(
    minimum=3,
    maximum=10,
    rules=(
        MetricRule(window_seconds=180, comparator=Comparator.AT_LEAST, threshold=32, step=1),
        MetricRule(
            statistic=Statistic.MINIMUM,
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


def lay_over_preset(document: Any) -> Any:
    """Fill in the fields that a document leaves out from its `preset`, if it names one."""
    if not isinstance(document, Mapping) or "preset" not in document:
        return document
    preset = PRESETS.get(str(document["preset"]))
    if preset is None:
        raise ValueError(_unknown(str(document["preset"])))
    given = {name: value for name, value in document.items() if name != "preset"}
    return preset.model_dump(mode="json") | given


def _unknown(name: str) -> str:
    return f"unknown preset {name!r}; known are {', '.join(PRESETS)}"


class _WithPreset(ScalingPolicy):
    """A policy as users write it: the schema for forms and for the Prefect server."""

    preset: str = Field("", description=f"A ready policy to begin with: {', '.join(PRESETS)}")


PolicyOverPreset = Annotated[
    ScalingPolicy, BeforeValidator(lay_over_preset, json_schema_input_type=_WithPreset)
]
"""A policy as users write it: whole, or a `preset` with a few other fields."""

_ADAPTER: TypeAdapter[ScalingPolicy] = TypeAdapter(PolicyOverPreset)


def parse_policy(document: Mapping[str, Any]) -> ScalingPolicy:
    """Check a policy as a user writes it.

    Raises:
        InvalidSpec: names the first invalid field, and valid values.
    """
    try:
        return _ADAPTER.validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the policy"
        if first["type"] == "extra_forbidden":
            raise InvalidSpec(
                f"unknown key {where!r} in the policy; known are: preset, "
                f"{', '.join(ScalingPolicy.model_fields)}"
            ) from error
        raise InvalidSpec(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error
