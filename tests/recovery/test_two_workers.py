"""Two workers of one deployment: one joins, is paused beyond its session, killed, stopped; everything counts once."""

import signal
from pathlib import Path
from typing import Any

import pytest

from streams.settings import Settings
from tests.recovery.role import Role
from tests.recovery.role_nursery import RoleNursery
from tests.recovery.runs import drained, end_windows, live_log, prepare, send, with_settings
from tests.recovery.straight_run import assert_equals_straight_run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(200)]

NUM_PARTITIONS = 4
ALL = list(range(NUM_PARTITIONS))


def has_all(status: dict[str, Any]) -> bool:
    return bool(status["partitions"] == ALL)


def has_some(status: dict[str, Any]) -> bool:
    return 0 < len(status["partitions"]) < NUM_PARTITIONS


async def test_workers_that_join_pause_die_and_leave_count_everything_once(
    kafka: object, settings: Settings, nursery: RoleNursery, tmp_path: Path
) -> None:
    settings = with_settings(settings, NUM_PARTITIONS)
    await prepare(settings)
    log = live_log(200, 21)
    parts = [log[start : start + len(log) // 5 + 1] for start in range(0, len(log), len(log) // 5 + 1)]
    second = Role("worker", with_settings(settings, NUM_PARTITIONS, "worker-1"), nursery)
    with Role("worker", settings, nursery) as first:
        try:
            await send(settings, parts[0])
            first.wait_until(has_all)
            second.launch()
            await send(settings, parts[1])
            second.wait_until(has_some)

            first.wait_until(has_some)
            first.signal(signal.SIGSTOP)
            await send(settings, parts[2])
            second.wait_until(has_all)
            await drained(second)
            first.signal(signal.SIGCONT)
            second.wait_until(has_some)
            await send(settings, parts[3])
            # It may notice at once that others write its changelog, and end: its supervisor starts it anew.
            await drained(first, second, may_restart=True)
            first.wait_until(has_some)

            second.kill()
            second.start()
            second.wait_until(has_some)

            first.signal(signal.SIGTERM)
            assert first.ended() == 0
            await send(settings, parts[4])
            second.wait_until(has_all)
            await drained(second)
            await end_windows(settings, log)
            await drained(second)
        finally:
            second.stop()
    await assert_equals_straight_run(settings, tmp_path / "straight")
