import pytest

from streams.settings import TrainingSettings
from streams.training.schedule import num_due, step_slates

TIMED = TrainingSettings(round_slates=256, round_interval_s=10.0)
BY_ROWS = TrainingSettings(round_slates=64, round_interval_s=None)
SMALL = TrainingSettings(round_slates=8, round_interval_s=10.0)


@pytest.mark.parametrize(
    ("settings", "num_new", "since_last_s", "expected"),
    [
        (TIMED, 0, 1e6, 0),
        (TIMED, 255, 9.9, 0),
        (TIMED, 255, 10.0, 255),
        (TIMED, 256, 0.0, 256),
        (TIMED, 300, 0.0, 300),
        (TIMED, 10_000, 0.0, 2048),
        (TIMED, 31, 1e6, 0),
        (TIMED, 32, 10.0, 32),
        (SMALL, 7, 1e6, 0),
        (SMALL, 8, 0.0, 8),
        (BY_ROWS, 63, 1e6, 0),
        (BY_ROWS, 64, 0.0, 64),
        (BY_ROWS, 1000, 0.0, 64),
    ],
)
def test_a_round_is_due_by_new_slates_or_by_time(
    settings: TrainingSettings, num_new: int, since_last_s: float, expected: int
) -> None:
    assert num_due(settings, num_new, since_last_s) == expected


@pytest.mark.parametrize(
    ("settings", "num_slates", "expected"),
    [(TIMED, 32, 8), (TIMED, 511, 8), (TIMED, 512, 16), (TIMED, 2048, 64), (BY_ROWS, 64, 8)],
)
def test_a_round_of_a_trainer_that_is_behind_takes_longer_steps(
    settings: TrainingSettings, num_slates: int, expected: int
) -> None:
    assert step_slates(settings, num_slates) == expected
