"""Scaling policies by name or from a file."""

from pathlib import Path

import yaml

from domain.kernel.errors import InvalidSpec
from domain.spec.presets import PRESETS, parse_policy
from domain.spec.scaling import ScalingPolicy


def read_policy(policy: str) -> ScalingPolicy:
    """Take a preset by name, or read a YAML file. Raises `InvalidSpec`."""
    if policy in PRESETS:
        return PRESETS[policy]
    if not Path(policy).exists():
        raise InvalidSpec(
            f"{policy!r} is neither a preset, {', '.join(PRESETS)}, nor a file that is there"
        )
    try:
        document = yaml.safe_load(Path(policy).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidSpec(f"the policy {policy} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise InvalidSpec(f"the policy {policy} must hold keys such as `preset` and `rules`")
    return parse_policy(document)
