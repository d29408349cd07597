"""One user who floods slates gets the weight of a busy user, not of a crowd."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np

from models.metrics import auc
from models.tasks import DEFAULT_TASKS
from streams.settings import TrainingSettings
from streams.training.buffered_slate import ReadySlate
from streams.training.examples_to_batch import to_batch
from streams.training.judged_rows import predict
from streams.training.learner import Learner
from streams.training.round_plan import plan_round
from streams.training.user_cap import MIN_SLATES, TIMES_MEDIAN, cap_users, user_cap
from tests.training.taste_world import SCHEMA, ready_slates, with_labels

TASKS = DEFAULT_TASKS[:1]


def of_user(entry: ReadySlate, user_id: str, seq: int) -> ReadySlate:
    slate = dataclasses.replace(entry.slate, user_id=user_id, slate_id=f"{user_id}-{seq}")
    return dataclasses.replace(entry, slate=slate, seq=seq)


def by_users(numbers: dict[str, int]) -> list[ReadySlate]:
    users = [user for user, num in numbers.items() for _ in range(num)]
    return [
        of_user(entry, user, seq)
        for seq, (entry, user) in enumerate(zip(ready_slates(len(users)), users, strict=True), 1)
    ]


def test_the_cap_follows_the_median_user_and_never_cuts_a_usual_visit() -> None:
    assert [user_cap([]), user_cap([1, 1, 900]), user_cap([900]), user_cap([10, 12, 14])] == [
        MIN_SLATES, MIN_SLATES, TIMES_MEDIAN * 900, TIMES_MEDIAN * 12,
    ]  # fmt: skip


def test_of_a_user_who_floods_the_newest_slates_are_kept_in_their_order() -> None:
    slates = by_users({"a": 1, "flood": 40, "b": 1})
    kept = cap_users(slates)
    assert Counter(entry.slate.user_id for entry in kept) == {"a": 1, "b": 1, "flood": MIN_SLATES}
    assert [entry.seq for entry in kept] == [1, *range(42 - MIN_SLATES, 42), 42]


def test_a_site_of_one_user_learns_all_of_theirs() -> None:
    slates = by_users({"only": 300})
    assert cap_users(slates) == slates


def test_a_round_says_how_many_slates_it_left_out() -> None:
    plan = plan_round(by_users({**{f"u{k}": 2 for k in range(20)}, "flood": 100}), 0.25)
    assert (plan.num_capped, len(plan.learned) + len(plan.judged)) == (100 - MIN_SLATES, 40 + MIN_SLATES)


def learned(rounds: Sequence[Sequence[ReadySlate]], replayed: Sequence[ReadySlate]) -> tuple[Learner, int]:
    learner, num_capped = Learner(TrainingSettings(device="cpu", seed=1, replay_slates=32), SCHEMA, TASKS), 0

    def replay(num: int, rng: np.random.Generator) -> list[ReadySlate]:
        return [replayed[k] for k in rng.choice(len(replayed), num, replace=False)]

    for number, entries in enumerate(rounds, 1):
        num_capped += learner.run_round(entries, replay, number).num_capped
    return learner, num_capped


def test_a_user_who_floods_turned_clicks_hardly_moves_the_model_of_the_others() -> None:
    """Four of five slates are the flood's, new and replayed; uncapped, the model would follow it."""
    honest, noise = ready_slates(400, 1), ready_slates(1600, 2)
    flood = [
        of_user(with_labels(e, "click", [1 - v for v in e.slate.labels["click"].values]), "flood", 1000 + e.seq)
        for e in noise
    ]
    rounds = [[*honest[k : k + 100], *flood[4 * k : 4 * k + 400]] for k in range(0, 400, 100)]
    alone, _ = learned([honest[k : k + 100] for k in range(0, 400, 100)], honest)
    flooded, num_capped = learned(rounds, [*honest, *flood])
    batch = to_batch(ready_slates(300, 3), SCHEMA, TASKS).batch
    y_N = batch.y["click"].numpy()
    found = {
        name: auc(y_N, predict(learner.tuner.serving_model(), batch)["click"])
        for name, learner in (("alone", alone), ("flooded", flooded))
    }
    assert num_capped > 1400
    assert found["alone"] > 0.72
    assert found["flooded"] > found["alone"] - 0.04
