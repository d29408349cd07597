"""`check_run` on a real Kafka that no worker has read: everything is on the straight side alone."""

import pytest

from streams.replay.check_job import check_run
from streams.settings import Settings
from tests.recovery.runs import live_log, prepare, send, with_settings

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("kafka")]


async def test_a_log_that_nobody_has_processed_is_told_as_such(settings: Settings) -> None:
    settings = with_settings(settings, 1)
    await prepare(settings)
    log = live_log(20, 33)
    await send(settings, log)
    found = await check_run(settings, lambda *_: None)

    assert (found["is_equal"], found["events"], found["items"]) == (False, len(log), 60)
    assert (found["lists"]["live"], found["lists"]["straight"], found["lists"]["equal"]) == (0, 20, 0)
    assert (found["users"]["live"], found["item_totals"]["live"]) == (0, 0)
    assert found["users"]["straight"] > 5
    assert {one["values"] for one in found["features"].values()} == {0}
