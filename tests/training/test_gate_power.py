"""The gate over simulated rounds: a challenger that is really worse is refused, an equal one is let through."""

import numpy as np
import pytest

from streams.training.evidence import Evidence, JudgedRows
from streams.training.gate import WINDOW_ROUNDS, judge
from streams.training.live_watch import WATCH_ROUNDS, Watch, look

# As the defaults: 256 slates of ten rows a round, of which a quarter judges.
LEARNED_ROWS, JUDGED_ROWS, NUM_USERS = 1920, 640, 120
NUM_WORLDS = 100


def seen(rng: np.random.Generator, num_rows: int, champion_noise: float, challenger_noise: float) -> Evidence:
    """Rows of users with tastes of their own; both models know the truth but for noise in log-odds."""
    user_N = rng.integers(0, NUM_USERS, num_rows)
    logit_N = rng.normal(-1.5, 1.0, num_rows) + rng.normal(0, 0.5, NUM_USERS)[user_N]
    y_N = (rng.random(num_rows) < 1 / (1 + np.exp(-logit_N))).astype(float)
    predicted = [
        1 / (1 + np.exp(-(logit_N + noise * rng.normal(size=num_rows)))) for noise in (champion_noise, challenger_noise)
    ]
    return Evidence.of({"click": JudgedRows(y_N, predicted[0], predicted[1], user_N)}, {})


def first_promotion(seed: int, champion_noise: float, challenger_noise: float) -> int | None:
    """The round, from 0, in which a challenger of this quality is promoted; None: in none of the window's."""
    rng = np.random.default_rng(seed)
    earlier = Evidence()
    for number in range(WINDOW_ROUNDS):
        learned = seen(rng, LEARNED_ROWS, champion_noise, challenger_noise)
        newest = seen(rng, JUDGED_ROWS, champion_noise, challenger_noise)
        earlier = Evidence.joined([earlier, learned])
        if judge(newest, earlier, rng).is_promoted:
            return number
        earlier = Evidence.joined([earlier, newest])
    return None


@pytest.fixture(scope="module")
def shares() -> dict[str, float]:
    """Of worlds: in which a challenger worse by .015 normalised entropy, or an equal one, is promoted, and how soon."""
    worse = [first_promotion(seed, 0.1, 0.35) for seed in range(NUM_WORLDS)]
    equal = [first_promotion(seed, 0.2, 0.2) for seed in range(NUM_WORLDS)]
    return {
        "worse, ever": np.mean([number is not None for number in worse]),
        "equal, at once": np.mean([number == 0 for number in equal]),
        "equal, soon": np.mean([number is not None and number <= 1 for number in equal]),
    }


def test_a_challenger_that_is_really_worse_is_refused_round_after_round(shares: dict[str, float]) -> None:
    assert shares["worse, ever"] < 0.1


def test_an_equal_challenger_is_mostly_let_through_at_once_and_nearly_always_soon(shares: dict[str, float]) -> None:
    assert shares["equal, at once"] > 0.8
    assert shares["equal, soon"] > 0.9


def test_a_sudden_change_for_the_worse_is_seen_in_the_newest_slice_alone() -> None:
    """Four rounds in which the model in training was better would hide it."""
    rng = np.random.default_rng(5)
    earlier = seen(rng, WINDOW_ROUNDS * LEARNED_ROWS, 0.5, 0.1)
    report = judge(seen(rng, JUDGED_ROWS, 0.5, 1.5), earlier, rng)
    assert (report.is_promoted, report.tasks["click"].is_worse, report.newest["click"].is_worse) == (False, False, True)
    assert report.reason == (
        f"click is worse by {report.newest['click'].change:.4f} normalised entropy on {JUDGED_ROWS} rows"
    )


def watched(seed: int, served_noise: float) -> int | None:
    """The round, from 1, in which what serves is found worse than the former champion."""
    rng = np.random.default_rng(seed)
    watch = Watch(former=1, first=2)
    for number in range(1, WATCH_ROUNDS + 1):
        watch = watch.after_round(seen(rng, LEARNED_ROWS + JUDGED_ROWS, 0.1, served_noise))
        if look(watch, rng).restored:
            return number
    return None


def test_a_served_model_that_is_really_worse_is_found_within_a_watch() -> None:
    found = [watched(seed, 0.35) for seed in range(30)]
    assert np.mean([number is not None for number in found]) > 0.95
    assert np.median([number for number in found if number is not None]) <= WATCH_ROUNDS / 2


def test_a_served_model_that_is_as_good_is_hardly_ever_taken_back() -> None:
    assert np.mean([watched(seed, 0.1) is not None for seed in range(NUM_WORLDS)]) <= 0.02
