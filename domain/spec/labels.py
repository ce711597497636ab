"""Labels, taints and extended resources of nodes, by the rules of Kubernetes."""

import re
from typing import Annotated

from pydantic import AfterValidator

from domain.spec.part import ListOfOne, Whole

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")

_NAME = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_PREFIX = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
_KEY = re.compile(rf"(({_PREFIX})/)?{_NAME}", re.ASCII)
_VALUE = re.compile(rf"({_NAME})?", re.ASCII)
_RESERVED = re.compile(r"(.+\.)?(kubernetes\.io|k8s\.io)|k8s-qingcloud")
"""Prefixes of keys that Kubernetes and we set; a kubelet may not set most of the former."""

MOST = 20
"""Labels or taints of one template."""


def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise ValueError(
            f"{key!r} is no key of Kubernetes: letters, digits, `-`, `_` and `.`, at most 63, "
            "with a domain and a `/` before it if wanted"
        )
    prefix, slash, _ = key.rpartition("/")
    if slash and _RESERVED.fullmatch(prefix):
        raise ValueError(f"{key}: keys of {prefix} are set by Kubernetes or by us; use another")


def _check_value(key: str, value: str) -> None:
    if not _VALUE.fullmatch(value):
        raise ValueError(
            f"{key}: {value!r} is no value of a label: letters, digits, `-`, `_` and `.`, "
            "at most 63"
        )


def _labels(labels: dict[str, str]) -> dict[str, str]:
    if len(labels) > MOST:
        raise ValueError(f"at most {MOST} labels, not {len(labels)}")
    for key, value in labels.items():
        _check_key(key)
        _check_value(key, value)
    return labels


def parse_taint(text: str) -> tuple[str, str, str]:
    """Split a taint such as `gpu=true:NoSchedule`. Returns: key, value, effect.

    Raises:
        ValueError: it is no taint.
    """
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    if effect not in EFFECTS:
        raise ValueError(
            f"{text!r} is no taint such as gpu=true:NoSchedule; effects are {', '.join(EFFECTS)}"
        )
    _check_key(key)
    _check_value(key, value)
    return key, value, effect


def _taints(taints: tuple[str, ...]) -> tuple[str, ...]:
    if len(taints) > MOST:
        raise ValueError(f"at most {MOST} taints, not {len(taints)}")
    seen: set[tuple[str, str]] = set()
    for text in taints:
        key, _, effect = parse_taint(text)
        if (key, effect) in seen:
            raise ValueError(f"{key} has two taints of effect {effect}")
        seen.add((key, effect))
    return taints


def _extended(resources: dict[str, int]) -> dict[str, int]:
    for name, amount in resources.items():
        if "/" not in name:
            raise ValueError(
                f"{name!r} is no extended resource such as `nvidia.com/gpu`; cpu and memory follow "
                "from the instance type"
            )
        _check_key(name)
        if amount < 1:
            raise ValueError(f"{name}: give the amount of one node, at least 1, not {amount}")
    return resources


Labels = Annotated[dict[str, str], AfterValidator(_labels)]
Taints = Annotated[tuple[str, ...], ListOfOne, AfterValidator(_taints)]
"""Texts such as `gpu=true:NoSchedule`."""
ExtendedResources = Annotated[dict[str, Whole], AfterValidator(_extended)]
"""Whole amounts of one node, such as `nvidia.com/gpu: 1`."""
