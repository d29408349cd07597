"""The seeded world: the same for the same seed, learnable, biased and confounded where it says so."""

import numpy as np
import pytest

from models.tasks import DEFAULT_TASKS
from streams.demo.world import World, WorldSpec
from streams.events.decode import decode_catalogue
from streams.events.rejection import Rejected

WEIGHTS = {task.name: task.score_weight for task in DEFAULT_TASKS}
SMALL = WorldSpec(seed=3, num_items=120, num_users=60)
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def world() -> World:
    return World(SMALL)


def test_a_seed_gives_the_same_world_and_another_seed_another(world: World) -> None:
    again, other = World(SMALL), World(WorldSpec(seed=4, num_items=120, num_users=60))
    items_N = np.arange(120)

    assert again.catalogue() == world.catalogue()
    assert np.array_equal(again.interest(5, items_N, 0), world.interest(5, items_N, 0))
    assert not np.allclose(other.interest(5, items_N, 0), world.interest(5, items_N, 0))


def test_every_catalogue_record_is_valid_and_all_kinds_are_there(world: World) -> None:
    import orjson

    records = [decode_catalogue(orjson.dumps(record)) for record in world.catalogue()]

    assert not any(isinstance(record, Rejected) for record in records)
    kinds = [record["kind"] for record in world.catalogue()]
    assert (kinds.count("coupon"), kinds.count("ad")) == (9, 9)
    assert all("price" not in record for record in world.catalogue() if record["kind"] == "coupon")


def test_the_oracle_is_never_beaten(world: World) -> None:
    rng = np.random.default_rng(0)
    for user in range(60):
        items_N = rng.choice(120, 24, replace=False)
        best = world.expected_worth(user, world.oracle(user, items_N, 0, WEIGHTS)[:12], 0, WEIGHTS)
        shown = world.expected_worth(user, items_N[:12], 0, WEIGHTS)
        assert shown <= best


def test_knowing_the_user_is_worth_much_more_than_knowing_what_is_popular(world: World) -> None:
    """Otherwise a demo that learned only item counters would look as good as one that knows people."""
    items_N = np.arange(120)
    worth_UN = np.array([world.worth(user, items_N, 0, WEIGHTS) for user in range(60)])
    popular = items_N[np.argsort(-worth_UN.mean(axis=0))][:12]
    orders = {
        "random": lambda user: np.random.default_rng(user).permutation(items_N)[:12],
        "popular": lambda _user: popular,
        "oracle": lambda user: world.oracle(user, items_N, 0, WEIGHTS)[:12],
    }
    worth = {
        name: sum(world.expected_worth(user, order(user), 0, WEIGHTS) for user in range(60))
        for name, order in orders.items()
    }

    assert worth["random"] < 0.4 * worth["oracle"]
    assert worth["random"] < worth["popular"] < 0.7 * worth["oracle"]


def test_a_later_place_is_looked_at_less(world: World) -> None:
    look_N = world.p_look(np.arange(4))

    assert look_N[0] == 1.0
    assert np.all(np.diff(look_N) < 0)


def test_chances_lie_between_0_and_1_and_a_later_step_is_rarer(world: World) -> None:
    outcomes = world.outcomes(7, np.arange(120), 0)

    for task in ("click", "cart", "order", "dislike"):
        assert np.all((outcomes[task] > 0) & (outcomes[task] < 1))
    assert np.all(outcomes["order"] < outcomes["cart"])
    assert np.all(outcomes["cart"] < outcomes["click"])


def test_dwell_depends_on_the_category_more_than_on_interest(world: World) -> None:
    """The confounding that a model of raw seconds falls for."""
    items_N = np.arange(120)
    plain_s = world.dwell_median_s(np.zeros(120), items_N)

    assert plain_s.max() / plain_s.min() > 4.0
    assert np.all(world.dwell_median_s(np.ones(120), items_N) > plain_s)


def test_tastes_stay_without_drift_and_turn_with_it(world: World) -> None:
    drifting = World(WorldSpec(seed=3, num_items=120, num_users=60, drift_rad_per_h=1.0))
    start, later = SMALL.starts_at_ms, SMALL.starts_at_ms + HOUR_MS
    items_N = np.arange(120)

    assert np.array_equal(world.interest(5, items_N, start), world.interest(5, items_N, later))
    assert np.array_equal(world.interest(5, items_N, start), drifting.interest(5, items_N, start))
    assert not np.allclose(drifting.interest(5, items_N, start), drifting.interest(5, items_N, later))


def test_it_says_what_every_default_task_comes_to(world: World) -> None:
    outcomes = world.outcomes(0, np.arange(24), 0)
    assert sorted(outcomes) == sorted(WEIGHTS)
    below_s = next(task.label.below_s for task in DEFAULT_TASKS if task.name == "quick_back")
    rng = np.random.default_rng(0)
    median_s = float(world.dwell_median_s(world.interest(0, np.arange(1), 0), np.arange(1))[0])
    quick = np.mean([world.sample_dwell_s(rng, median_s) < below_s for _ in range(4000)])
    assert outcomes["quick_back"][0] / outcomes["click"][0] == pytest.approx(quick, abs=0.03)
