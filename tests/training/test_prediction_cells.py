import numpy as np
import pytest

from models.list_metrics import mrr, ndcg_at_k
from models.tasks import DEFAULT_TASKS
from streams.training.examples_to_batch import to_batch
from streams.training.predicted_rows import PredictedBatch
from streams.training.prediction_cells import NUM_BINS, RoundCells, bin_edges, cell_table, round_cells
from tests.training.taste_world import SCHEMA, ready_slates

TASKS = DEFAULT_TASKS[:3]
HOUR_MS = 3_600_000


def predicted(shown_at_ms: list[int], seed: int = 0) -> PredictedBatch:
    batch = to_batch(ready_slates(len(shown_at_ms), seed), SCHEMA, TASKS).batch
    rng = np.random.default_rng(seed)
    live = {task.name: rng.uniform(0.01, 0.9, batch.num_rows) for task in TASKS}
    return PredictedBatch(batch, np.array(shown_at_ms), live, None)


def test_rows_fall_into_bins_of_equal_width_in_logits_with_sums_of_predictions_and_labels() -> None:
    one = predicted([0] * 8)
    y, p = one.batch.y["click"].double().numpy(), one.live["click"]
    cells = round_cells([one], TASKS).rows["click"]
    assert {cell[0] for cell in cells} == {0}
    edges = bin_edges(TASKS[0])
    for age, place, rows, sum_p, sum_y in cells:
        inside = (p >= edges[place]) & (p < edges[place + 1])
        assert (age, rows, sum_p, sum_y) == (0, inside.sum(), pytest.approx(p[inside].sum()), y[inside].sum())
    assert np.diff(np.log(edges / (1 - edges))) == pytest.approx(np.full(NUM_BINS, 0.25))
    assert cell_table(cells).sum(0) == pytest.approx([80, p.sum(), y.sum()])


def test_dwell_is_binned_in_log_seconds_of_visits_that_ended() -> None:
    one = predicted([0] * 8)
    visits = one.batch.mask["dwell"].numpy()
    table = cell_table(round_cells([one], TASKS).rows["dwell"])
    seconds = np.log1p(one.batch.y["dwell"].double().numpy()[visits])
    assert table[:, 0].sum() == visits.sum()
    assert table[:, 2].sum() == pytest.approx(seconds.sum())


def test_labels_have_the_age_of_their_slate_beside_the_newest_of_the_round() -> None:
    """An age at a limit is below it: a minute, an hour; a day and a millisecond is over a day."""
    seen = [predicted([-1, 23 * HOUR_MS]), predicted([24 * HOUR_MS - 60_000, 24 * HOUR_MS])]
    cells = round_cells(seen, TASKS)
    rows = {age: cell_table(cells.rows["click"], age)[:, 0].sum() for age in range(6)}
    assert rows == {0: 20, 1: 0, 2: 10, 3: 0, 4: 0, 5: 10}
    assert [cell[0] for cell in cells.lists["click"]] == [0, 2, 5]


def test_lists_sum_up_what_each_list_with_a_positive_says() -> None:
    one = predicted([0] * 8)
    y, p = one.batch.y["click"].double().numpy(), one.live["click"]
    lists = y, p, one.batch.slate_N.numpy(), one.batch.position_N.numpy()
    ndcg, reciprocal = ndcg_at_k(*lists, 10), mrr(*lists)
    assert round_cells([one], TASKS).lists["click"] == [
        [0, np.isfinite(ndcg).sum(), pytest.approx(np.nansum(ndcg)), pytest.approx(np.nansum(reciprocal))]
    ]
    assert "dwell" not in round_cells([one], TASKS).lists


def test_predictions_beyond_the_bins_are_in_the_outermost_and_what_is_not_finite_in_none() -> None:
    one = predicted([0])
    p = np.array([0.0, 1e-9, 1.0, np.nan, np.inf, 0.5, 0.5, 0.5, 0.5, 0.5])
    table = cell_table(round_cells([PredictedBatch(one.batch, one.shown_at_ms_S, {**one.live, "click": p}, None)],
                                   TASKS[:1]).rows["click"])  # fmt: skip
    assert (table[0, 0], table[-1, 0], table[32, 0], table[:, 0].sum()) == (2, 1, 5, 8)


def test_a_round_without_rows_has_no_cells() -> None:
    assert round_cells([], TASKS) == RoundCells()
