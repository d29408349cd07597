"""kill -9 of a real worker under load: totals, training examples and labels equal a straight run, once each."""

from pathlib import Path

import numpy as np
import pytest

from streams.settings import Settings
from tests.recovery.role import Role
from tests.recovery.role_nursery import RoleNursery
from tests.recovery.runs import drained, end_windows, live_log, prepare, send, with_settings
from tests.recovery.straight_run import assert_equals_straight_run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]


@pytest.mark.parametrize(("num_partitions", "seed"), [(1, 5), (3, 6)])
async def test_killed_again_and_again_the_worker_counts_everything_once(
    kafka: object, settings: Settings, nursery: RoleNursery, tmp_path: Path, *, num_partitions: int, seed: int
) -> None:
    settings = with_settings(settings, num_partitions)
    await prepare(settings)
    log, rng = live_log(150, seed), np.random.default_rng(seed)
    cuts = sorted(rng.integers(100, len(log) - 100, 3).tolist())
    with Role("worker", settings, nursery) as worker:
        for start, end in zip([0, *cuts], [*cuts, len(log)], strict=True):
            await send(settings, log[start:end])
            if end < len(log):
                seen = int(rng.integers(1, max(2, end - start)))
                worker.wait_until(lambda status, seen=seen: status["events"] >= min(seen, 50))
                worker.kill()
                worker.start()
        await drained(worker)
        await end_windows(settings, log)
        await drained(worker)

    shown, expected_shown = await assert_equals_straight_run(settings, tmp_path / "straight")
    if num_partitions == 1:
        # Item features depend on one partition alone then: they are the same, bit for bit.
        assert {k: (v.user, v.item, v.cross) for k, v in shown.items()} == {
            k: (v.user, v.item, v.cross) for k, v in expected_shown.items()
        }


async def test_a_worker_with_an_empty_disk_gets_the_state_from_the_changelog(
    kafka: object, settings: Settings, nursery: RoleNursery, tmp_path: Path
) -> None:
    settings = with_settings(settings, 3)
    await prepare(settings)
    log = live_log(120, 9)
    with Role("worker", settings, nursery) as worker:
        await send(settings, log[: len(log) // 2])
        await drained(worker)
        worker.kill()
    moved = with_settings(settings.model_copy(update={"data_dir": tmp_path / "other-host"}), 3, "worker-1")
    with Role("worker", moved, nursery) as worker:
        await send(moved, log[len(log) // 2 :])
        await drained(worker)
        await end_windows(moved, log)
        await drained(worker)

    await assert_equals_straight_run(moved, tmp_path / "straight")
