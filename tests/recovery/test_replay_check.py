"""A worker that was killed, and a replay of its log by the same code: equal features, labels, state and totals."""

from typing import Any

import pytest

from streams.replay.check_job import check_run
from streams.settings import Settings
from tests.recovery.role import Role
from tests.recovery.role_nursery import RoleNursery
from tests.recovery.runs import drained, end_windows, live_log, prepare, send, with_settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


async def checked(settings: Settings) -> dict[str, Any]:
    return await check_run(settings, lambda *_: None)


@pytest.mark.parametrize("num_partitions", [1, 3])
async def test_a_replay_gives_what_a_killed_worker_gave(
    kafka: object, settings: Settings, nursery: RoleNursery, num_partitions: int
) -> None:
    settings = with_settings(settings, num_partitions)
    await prepare(settings)
    log = live_log(120, 33)
    half = len(log) // 2
    with Role("worker", settings, nursery) as worker:
        await send(settings, log[:half])
        await drained(worker)
        await send(settings, log[half:])
        worker.kill()
        worker.start()
        await end_windows(settings, log)
        await drained(worker)
    found = await checked(settings)

    assert found["is_equal"], found
    assert found["lists"]["equal"] == 120
    assert found["users"]["equal"] >= 10
    assert (found["partitions"], found["labels"]["equal"] >= 240) == (num_partitions, True)
    totals = {name: (one["values"], one["equal"]) for name, one in found["features"].items()}
    if num_partitions == 1:
        assert all(equal == values > 0 for values, equal in totals.values())
    # What is the user's alone is the same however partitions are interleaved.
    assert totals["user_log_slates"][0] == totals["user_log_slates"][1] > 0
