import numpy as np
import pytest

from models.metrics import accuracy, f1, precision, recall
from models.tasks import DEFAULT_TASKS
from streams.training.decisions import best_bin, decided
from streams.training.prediction_cells import NUM_BINS, bin_edges

EDGES = bin_edges(DEFAULT_TASKS[0])


def table_of(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    place = np.searchsorted(EDGES[1:-1], p, side="right")
    return np.stack([np.bincount(place, w, NUM_BINS) for w in (np.ones(len(p)), p, y)], 1)


def test_figures_are_those_of_the_rows_themselves_at_that_threshold() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(1, 9, 5000)
    y = (rng.random(5000) < p).astype(float)
    table = table_of(y, p)
    first_yes = best_bin(table)
    assert first_yes is not None
    assert decided(table, first_yes) == {
        name: pytest.approx(measure(y, p, EDGES[first_yes]))
        for name, measure in {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1}.items()
    }
    found = [f1(y, p, edge) for edge in EDGES[:-1]]
    assert first_yes == int(np.argmax(found))


def test_without_a_positive_there_is_no_threshold_and_without_rows_no_figure() -> None:
    nothing = np.zeros((NUM_BINS, 3))
    assert best_bin(table_of(np.zeros(3), np.full(3, 0.2))) is None
    assert best_bin(nothing) is None
    assert decided(nothing, 5) == {}


def test_a_yes_that_never_comes_is_neither_precise_nor_recalled() -> None:
    table = table_of(np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.1, 0.1]))
    found = decided(table, NUM_BINS - 1)
    assert found == {"accuracy": pytest.approx(2 / 3), "precision": 0.0, "recall": 0.0, "f1": 0.0}
