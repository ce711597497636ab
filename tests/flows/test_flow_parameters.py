"""Parameters of flows as forms and schedules send them: another type is refused."""

from importlib import import_module
from inspect import signature
from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError

from blocks.accounts import QingCloudAccount

FLOWS = (
    "adopt",
    "autoscale",
    "dashboard",
    "drift",
    "kubeconfig",
    "maintain",
    "provision",
    "repair",
    "restore",
    "rollout",
    "run_script",
    "scale",
    "sweep",
    "teardown",
    "upgrade",
)
ACCOUNT = QingCloudAccount(zone="pek3", access_key_id="KEY", secret_access_key="SECRET")
NEEDED = {
    "account": ACCOUNT,
    "count": 3,
    "machine": "i-1a2b3c4d",
    "path": "demo.kubeconfig",
    "spec": {"name": "demo"},
    "version": "1.36.4",
}


def switches_and_numbers() -> list[Any]:
    return [
        pytest.param(flow, name, id=f"{flow} {name}")
        for flow in FLOWS
        for name, parameter in signature(_flow(flow).fn).parameters.items()
        if isinstance(parameter.default, int) or name == "count"
    ]


def _flow(name: str) -> Any:
    return getattr(import_module(f"flows.{name}"), name)


@pytest.mark.parametrize(("flow", "name"), switches_and_numbers())
def test_a_text_is_no_number_and_a_number_is_no_switch(flow: str, name: str) -> None:
    fn = _flow(flow)
    given = {key: NEEDED[key] for key in signature(fn.fn).parameters if key in NEEDED}
    fn.validate_parameters(given)
    is_switch = isinstance(signature(fn.fn).parameters[name].default, bool)
    for value in ("1", 1 if is_switch else True, "true"):
        with pytest.raises(ParameterTypeError, match=name):
            fn.validate_parameters({**given, name: value})
