import json
from datetime import date
from decimal import Decimal
from io import StringIO

import pytest
from rich.console import Console

from domain.cloud.inventory import Inventory
from domain.cloud.planning import plan_cluster
from domain.kernel.money import add_up
from domain.observe.cost import price_plan
from domain.spec.cluster import ClusterSpec, changed
from flows._cli.terminal import print_json, show_plan, show_report
from tests.report_makers import make_report


def make_pipe() -> Console:
    return Console(file=StringIO(), force_terminal=False, width=160)


def written(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_plan_ends_with_its_cost() -> None:
    console, nothing = make_pipe(), Inventory("demo")
    show_plan(price_plan(plan_cluster(ClusterSpec(), nothing), nothing, ClusterSpec()), console)
    last = written(console).splitlines()[-1]
    assert last.startswith("Cost: 1.31 yuan an hour, 956.30 yuan a month (prices are guesses")
    assert last.endswith("now 0.00 yuan an hour")


def test_cost_of_machines_without_a_price_is_at_least_the_sum() -> None:
    template = {"template": {"instance_type": "x9.huge"}}
    spec = changed(ClusterSpec(), {"nodes": template, "prices": {"confirmed": True}})
    console, nothing = make_pipe(), Inventory("demo")
    show_plan(price_plan(plan_cluster(spec, nothing), nothing, spec), console)
    assert "Cost: at least 0.750 yuan an hour" in written(console)
    assert "price unknown: x9.huge" in written(console)


def test_report_has_the_cost_of_the_cluster() -> None:
    console = make_pipe()
    rate = add_up([("router", Decimal("0.25"))], guessed=False)
    show_report(make_report(cost=rate), console=console)
    assert "It costs 0.250 yuan an hour, 182.50 yuan a month" in written(console)


def test_money_stays_exact_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"yuan": Decimal("0.100001"), "day": date(2026, 11, 1)})
    assert json.loads(capsys.readouterr().out) == {"yuan": "0.100001", "day": "2026-11-01"}
