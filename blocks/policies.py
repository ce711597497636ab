"""Scaling policies by name or from a file."""

from pathlib import Path

from domain.kernel.errors import InvalidSpec
from domain.spec.documents import read_yaml
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
        text = Path(policy).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSpec(f"the policy {policy} cannot be read: {error}") from error
    return parse_policy(read_yaml(text, f"the policy {policy}"))
