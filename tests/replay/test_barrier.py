"""When worker and trainer stand still, by what they say of themselves."""

from typing import Any

import pytest

from streams.replay.barrier import is_decided

IDLE = {"slates_waiting": 63, "round_running": False, "champion_version": 4}
SERVING = {"model_version": 4}


@pytest.mark.parametrize(
    ("trainer", "worker", "expected"),
    [
        (IDLE, SERVING, True),
        (IDLE | {"slates_waiting": 64}, SERVING, False),
        (IDLE | {"round_running": True}, SERVING, False),
        (IDLE, {"model_version": 3}, False),
        (IDLE | {"champion_version": 0}, {"model_version": 0}, True),
        (None, SERVING, False),
        (IDLE, None, False),
        ({"role": "trainer", "ready": False}, SERVING, False),
    ],
)
def test_a_round_that_runs_or_is_due_or_a_model_not_loaded_yet_holds_the_log_back(
    trainer: dict[str, Any] | None, worker: dict[str, Any] | None, expected: object
) -> None:
    assert is_decided(trainer, worker, round_slates=64) is expected
