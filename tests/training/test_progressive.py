import numpy as np
import pytest

from models.list_metrics import mrr, ndcg_at_k
from models.metrics import auc, average_precision, log_loss, normalised_entropy, pcoc
from models.tasks import DEFAULT_TASKS
from streams.training.examples_to_batch import to_batch
from streams.training.predicted_rows import PredictedBatch
from streams.training.progressive import progressive_metrics
from tests.training.taste_world import SCHEMA, ready_slates

TASKS = DEFAULT_TASKS[:3]


def predicted(seed: int, *, has_champion: bool = True) -> PredictedBatch:
    found = to_batch(ready_slates(8, seed), SCHEMA, TASKS)
    batch = found.batch
    rng = np.random.default_rng(seed)
    live = {task.name: rng.uniform(0.1, 0.9, batch.num_rows) for task in TASKS}
    return PredictedBatch(
        batch, found.shown_at_ms_S, live, {task: p / 2 for task, p in live.items()} if has_champion else None
    )


def test_metrics_are_over_all_rows_of_the_round() -> None:
    seen = [predicted(1), predicted(2)]
    y = np.concatenate([one.batch.y["click"].double().numpy() for one in seen])
    p = np.concatenate([one.live["click"] for one in seen])
    lists = y, p, np.repeat(np.arange(16), 10), np.tile(np.arange(10), 16)
    in_order = {
        "auc": auc(y, p), "average_precision": average_precision(y, p),
        "ndcg_at_10": np.nanmean(ndcg_at_k(*lists, 10)), "mrr": np.nanmean(mrr(*lists)),
    }  # fmt: skip
    assert progressive_metrics(seen, TASKS)["click"] == {
        "rows": 160.0, "positives": y.sum(), "log_loss": log_loss(y, p),
        "normalised_entropy": normalised_entropy(y, p), "pcoc": pcoc(y, p), **in_order,
        "champion_log_loss": log_loss(y, p / 2), "champion_normalised_entropy": normalised_entropy(y, p / 2),
        "champion_pcoc": pcoc(y, p) / 2, **{f"champion_{name}": value for name, value in in_order.items()},
    }  # fmt: skip


def test_dwell_is_measured_in_log_seconds_of_visits_that_ended() -> None:
    one = predicted(3)
    visits = one.batch.mask["dwell"].numpy()
    one.batch.censored[np.flatnonzero(visits)[0]] = True
    ended = visits & ~one.batch.censored.numpy()
    y, p = np.log1p(one.batch.y["dwell"].double().numpy()[ended]), one.live["dwell"][ended]
    found = progressive_metrics([one], TASKS)["dwell"]
    assert found["rows"] == visits.sum() - 1
    assert found["squared_error"] == pytest.approx(((y - p) ** 2).mean())
    assert found["pcoc"] == pytest.approx(p.sum() / y.sum())


def test_a_champion_that_came_in_the_middle_of_a_round_is_not_compared() -> None:
    found = progressive_metrics([predicted(1, has_champion=False), predicted(2)], TASKS)
    assert not [name for name in found["click"] if name.startswith("champion_")]


def test_a_task_without_labels_and_figures_without_meaning_are_left_out() -> None:
    batch = to_batch(ready_slates(2, tasks=("cart",)), SCHEMA, TASKS).batch
    batch.y["cart"].zero_()
    one = PredictedBatch(batch, np.zeros(2, np.int64), {t.name: np.full(batch.num_rows, 0.1) for t in TASKS}, None)
    found = progressive_metrics([one], TASKS)
    assert set(found) == {"cart"}
    assert set(found["cart"]) == {"rows", "positives", "log_loss"}
