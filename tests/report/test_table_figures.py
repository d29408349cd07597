import math

import numpy as np
import pytest

from models.metrics import auc, normalised_entropy, pcoc
from streams.report.table_figures import auc_of, ece_of, normalised_entropy_of, pcoc_of, reliability
from streams.training.prediction_cells import NUM_BINS, cell_table
from tests.report.records import cells, rows


def test_figures_of_a_table_are_within_two_thousandths_of_those_of_its_rows() -> None:
    y, p = rows(0, 50_000)
    table = cell_table(cells(y, p))
    assert auc_of(table) == pytest.approx(auc(y, p), abs=0.002)
    assert normalised_entropy_of(table) == pytest.approx(normalised_entropy(y, p), abs=0.002)
    assert pcoc_of(table) == pytest.approx(pcoc(y, p))


def test_groups_hold_about_as_many_rows_and_add_up_to_the_table() -> None:
    y, p = rows(1, 6000)
    table = cell_table(cells(y, p))
    found = reliability(table)
    assert found.rows.sum() == 6000
    assert (found.predicted * found.rows).sum() == pytest.approx(p.sum())
    assert (found.observed * found.rows).sum() == pytest.approx(y.sum())
    assert len(found.rows) <= 12
    assert found.rows.min() >= 6000 / 12 / 2
    assert np.all(np.diff(found.predicted) > 0)
    assert np.all((found.low <= found.observed) & (found.observed <= found.high))


def test_what_is_calibrated_lies_inside_its_intervals_and_what_promises_too_much_below_the_diagonal() -> None:
    honest = reliability(cell_table(cells(*rows(2, 20_000))))
    inside = (honest.low <= honest.predicted) & (honest.predicted <= honest.high)
    assert inside.mean() >= 0.7
    loud = reliability(cell_table(cells(*rows(2, 20_000, too_high=1.5))))
    assert np.all(loud.predicted[-5:] > loud.high[-5:])
    assert ece_of(cell_table(cells(*rows(2, 20_000)))) < 0.01 < ece_of(cell_table(cells(*rows(2, 20_000, 1.5))))


def test_what_a_table_does_not_define_is_nan() -> None:
    nothing = np.zeros((NUM_BINS, 3))
    alike = cell_table(cells(np.zeros(5), np.full(5, 0.3)))
    assert [math.isnan(figure(nothing)) for figure in (auc_of, normalised_entropy_of, pcoc_of, ece_of)] == [True] * 4
    assert [math.isnan(figure(alike)) for figure in (auc_of, normalised_entropy_of, pcoc_of)] == [True] * 3
    assert ece_of(alike) == pytest.approx(0.3)
