"""Ready policies: the two readings of the article, and one without metric rules."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    RootModel,
    SerializeAsAny,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import with_info_wrap_validator_function

from domain.kernel.errors import InvalidSpec
from domain.spec.conditions import Comparator, Statistic
from domain.spec.documents import describe_invalid
from domain.spec.optional import optional
from domain.spec.scaling import LowUse, MetricRule, ScalingPolicy

PresetName = Literal["article-text", "article-screen", "pending"]
DEFAULT: PresetName = "article-text"
"""The preset of the nodes where no policy is described."""

DEFAULT_OF_FURTHER = "pending"
"""That of further groups: the article's numbers of pods say nothing about other machines."""

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


PolicyName = Annotated[
    str,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": ["", *PRESETS], "title": "Preset"},
                {"type": "string", "pattern": "[.]ya?ml$", "title": "YAML file on the worker"},
            ]
        }
    ),
]
"""A preset, a file, or empty for the cluster's own policy, as a parameter of a flow."""


def lay_over_preset(document: Any) -> Any:
    """Fill in the fields that a document leaves out from its `preset`, if it names one.

    One that is given as null, such as `low_use`, is switched off.
    """
    if not isinstance(document, Mapping) or "preset" not in document:
        return document
    preset = PRESETS.get(str(document["preset"]))
    if preset is None:
        raise ValueError(_unknown(str(document["preset"])))
    given = {name: value for name, value in document.items() if name != "preset"}
    return preset.model_dump(mode="json") | given


def _unknown(name: str) -> str:
    return f"unknown preset {name!r}; known are {', '.join(PRESETS)}"


class WrittenPolicy(ScalingPolicy):
    """A policy as users write it: the schema for forms and for the Prefect server."""

    preset: PresetName | None = Field(None, description="A ready policy to begin with")


_Given = optional(WrittenPolicy, "If not given")
"""A policy in which nothing need be given: what a form asks for."""


class UnreadPolicy(RootModel[dict[str, Any]]):
    """A stored policy that this version cannot read; it is kept as it is, and nothing scales."""

    model_config = ConfigDict(frozen=True)

    @property
    def reason(self) -> str:
        """Why it cannot be read."""
        try:
            parse_policy(self.root)
        except InvalidSpec as error:
            return str(error)
        return "it could not be read before"


STORED = "stored"
"""Context of a validation: the document was stored, and an invalid policy in it is kept."""


def _keep_unread(
    document: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo
) -> ScalingPolicy | UnreadPolicy:
    if isinstance(document, UnreadPolicy):
        return document
    try:
        policy: ScalingPolicy = handler(document)
    except ValidationError:
        if info.context == STORED and isinstance(document, dict):
            return UnreadPolicy(document)
        raise
    return policy


_Readable = Annotated[
    SerializeAsAny[ScalingPolicy],
    BeforeValidator(lay_over_preset, json_schema_input_type=_Given),
]


class _KeepsUnread:
    """Validates a policy, and keeps an invalid one only where it was stored."""

    @staticmethod
    def __get_pydantic_core_schema__(_: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return with_info_wrap_validator_function(_keep_unread, handler.generate_schema(_Readable))


PolicyOverPreset = Annotated[ScalingPolicy | UnreadPolicy, _KeepsUnread]
"""A policy as users write it: whole, or a `preset` with a few other fields."""

_ADAPTER: TypeAdapter[ScalingPolicy] = TypeAdapter(_Readable)


def parse_policy(document: Mapping[str, Any]) -> ScalingPolicy:
    """Check a policy as a user writes it.

    Raises:
        InvalidSpec: names the first invalid field, and valid values.
    """
    try:
        return _ADAPTER.validate_python(document)
    except ValidationError as error:
        raise InvalidSpec(describe_invalid(error, WrittenPolicy)) from error
