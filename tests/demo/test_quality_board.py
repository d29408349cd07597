"""Quality over time: the oracle is 1, and improvement means beating the site's order and one's own beginning."""

import numpy as np
import pytest

from models.tasks import DEFAULT_TASKS
from streams.demo.quality_board import QualityBoard
from streams.demo.shoppers import Shown
from streams.demo.world import World, WorldSpec

WEIGHTS = {task.name: task.score_weight for task in DEFAULT_TASKS}
START_MS = 1_700_000_000_000


@pytest.fixture(scope="module")
def world() -> World:
    return World(WorldSpec(seed=2, num_items=60, num_users=30))


def _board(world: World, is_oracle_from_s: float) -> QualityBoard:
    """Lists as asked at first, and the oracle's from some second on, for 40 seconds."""
    board = QualityBoard(world, WEIGHTS, START_MS, period_s=10.0, num_periods=4)
    rng = np.random.default_rng(0)
    for second in range(40):
        user, asked = second % 30, rng.choice(60, 24, replace=False)
        best = world.oracle(user, asked, START_MS, WEIGHTS)
        order = best if second >= is_oracle_from_s else asked
        board.take(Shown(user, str(second), order[:12], asked, START_MS + 1000 * second, is_answered=True))
    return board


def test_the_oracles_lists_have_quality_1_and_the_sites_order_its_own(world: World) -> None:
    board = _board(world, is_oracle_from_s=10.0)

    assert [period.num_lists for period in board.periods] == [10, 10, 10, 10]
    assert board.periods[0].quality("freshrank") == board.periods[0].quality("as_shown")
    assert [period.quality("freshrank") for period in board.periods[1:]] == pytest.approx([1.0, 1.0, 1.0])
    assert all(period.quality("as_shown") < 0.6 for period in board.periods)


def test_lists_that_stay_as_asked_have_not_improved(world: World) -> None:
    assert _board(world, is_oracle_from_s=10.0).has_improved()
    assert not _board(world, is_oracle_from_s=99.0).has_improved()
    assert not QualityBoard(world, WEIGHTS, START_MS, period_s=10.0, num_periods=4).has_improved()


def test_lists_without_candidates_are_not_judged_and_missing_answers_are_counted(world: World) -> None:
    board = QualityBoard(world, WEIGHTS, START_MS, period_s=10.0, num_periods=4)
    board.take(Shown(0, "home", np.arange(12), None, START_MS, is_answered=True))
    board.take(Shown(0, "shelf", np.arange(12), np.arange(24), START_MS, is_answered=False))

    assert [period.num_lists for period in board.periods] == [1]
    assert board.num_unanswered == 1


def test_a_list_after_the_end_belongs_to_the_last_period(world: World) -> None:
    board = QualityBoard(world, WEIGHTS, START_MS, period_s=10.0, num_periods=2)
    for second in (5, 15, 21):
        board.take(Shown(0, "s", np.arange(12), np.arange(24), START_MS + 1000 * second, is_answered=True))

    assert [period.num_lists for period in board.periods] == [1, 2]
