"""Growth over a soak, and the paper model, by hand-made figures."""

import pytest

from benchmarks.capacity import UnitCosts, paper_model
from benchmarks.soak import growth_frac


def test_growth_compares_the_halves_after_the_first_tenth() -> None:
    assert growth_frac([1.0, *[100.0] * 5, *[110.0] * 4]) == pytest.approx(0.08)  # means of 4 and of 5 values
    assert growth_frac([5.0] * 20) == 0
    assert growth_frac([0.001] * 10 + [0.002] * 10) == pytest.approx(0.001, abs=1e-3)  # of nearly nothing
    assert growth_frac([7.0]) is None


def test_the_paper_model_multiplies_unit_costs_and_leaves_out_what_was_not_measured() -> None:
    wire = {"events": 300.0, "training-examples": 700.0}
    known = paper_model(UnitCosts(30.0, 6.0, 2.0, wire, 1000.0))
    assert {name: known[name]["value"] for name in ("cores for events", "cores for lists", "workers", "Redis, GB")} == {
        "cores for events": 30.0, "cores for lists": 600.0, "workers": 1050, "Redis, GB": 110.0,
    }  # fmt: skip
    assert known["MB per s by topic"] == {"events": 300.0, "training-examples": 700.0}
    unknown = paper_model(UnitCosts(30.0, 6.0, None, wire, None))
    assert [unknown[name]["value"] for name in ("cores for lists", "workers", "Redis, GB")] == [None, 50, None]
