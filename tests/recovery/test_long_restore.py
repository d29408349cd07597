"""A worker whose state takes longer to read back than its session lasts stays in the group, and serves when done."""

from pathlib import Path

import pytest

from streams.kafka.bulk_sender import BulkRecord, BulkSender
from streams.settings import Settings
from streams.topics import topic_specs
from tests.recovery.role import Role
from tests.recovery.role_nursery import RoleNursery
from tests.recovery.runs import drained, live_log, prepare, records_of, send, with_settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]

SESSION_S = 1.0
# Reading them back and writing their rows takes several sessions.
NUM_USERS = 12_000
USER = b"u:"


async def multiply_users(settings: Settings) -> None:
    """As many users more, each as the one of whom the changelog knows."""
    topic = topic_specs(settings)["state-changelog"].name
    known = next(one for one in await records_of(settings, "state-changelog") if one.key.startswith(USER))
    async with BulkSender(settings) as sink:
        await sink.send([BulkRecord(topic, f"u:clone-{n}", known.value, known.partition) for n in range(NUM_USERS)])
        await sink.flush()


async def test_a_worker_that_restores_longer_than_its_session_keeps_its_partitions(
    kafka: object, settings: Settings, nursery: RoleNursery, tmp_path: Path
) -> None:
    settings = with_settings(settings, 1, "")
    worker_settings = settings.worker.model_copy(update={"session_timeout_s": SESSION_S})
    settings = settings.model_copy(update={"worker": worker_settings})
    await prepare(settings)
    log = live_log(20, 4)
    with Role("worker", settings, nursery) as worker:
        await send(settings, log[: len(log) // 2])
        await drained(worker)
    await multiply_users(settings)

    moved = settings.model_copy(update={"data_dir": tmp_path / "other-host"})
    with Role("worker", moved, nursery) as worker:
        await send(moved, log[len(log) // 2 :])
        await drained(worker)
        counters = worker.counters()
        assert counters["restored_records", ""] > NUM_USERS
        assert counters["rebalances", ""] == 1
