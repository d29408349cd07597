"""A real trainer and worker: a version that serves worse is taken back by itself; one from history is announced."""

import pytest

from models.tasks import task_hash
from streams.kafka.admin import create_topics
from streams.settings import Settings
from streams.training.announcement import decode_announcement
from streams.training.bootstrap import Patience
from streams.training.bootstrap_job import run_bootstrap
from streams.training.registry import Registry
from tests.recovery.example_records import ROUND_SLATES, examples_of, for_examples, on_topic
from tests.recovery.role import Role
from tests.recovery.role_nursery import RoleNursery
from tests.recovery.runs import records_of, send_records
from tests.training.taste_world import ready_slates
from tests.training.trainers import sabotage

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]

NUM_BEFORE, NUM_AFTER = 7, 1


async def causes(settings: Settings) -> list[tuple[int, str]]:
    found = [decode_announcement(record.value) for record in await records_of(settings, "model-updates")]
    return [(one.version, one.cause) for one in found]


async def test_a_sabotaged_version_is_taken_back_and_everyone_is_told(
    kafka: object, settings: Settings, nursery: RoleNursery
) -> None:
    settings = for_examples(settings)
    create_topics(settings)
    registry = Registry(settings.data_dir / "models", 100)
    records = on_topic(settings, examples_of(ready_slates((NUM_BEFORE + NUM_AFTER) * ROUND_SLATES, 6)))
    cut = len(records) * NUM_BEFORE // (NUM_BEFORE + NUM_AFTER)
    with Role("trainer", settings, nursery) as trainer:
        await send_records(settings, records[:cut])
        trainer.wait_until(lambda status: status["rounds"] == NUM_BEFORE and not status["round_running"])
        trainer.stop()
        bad = sabotage(registry, (settings.catalogue.schema_.hash, task_hash(settings.labels.tasks)))
        trainer.start()
        await send_records(settings, records[cut:])
        status = trainer.wait_until(lambda s: s["rounds"] == NUM_BEFORE + NUM_AFTER and not s["round_running"])
        restored = status["champion_version"]
        assert 0 < restored < bad
        assert status["last_round"]["decision"] == "rolled_back"
        assert trainer.counters()["rollbacks", ""] == 1
        assert "rolled_back" in trainer.log
    assert (await causes(settings))[-1] == (restored, "rollback")
    assert str(bad) in registry.champions().withdrawn
    with Role("worker", settings, nursery) as worker:
        worker.wait_until(lambda found: found["model_version"] == restored)

    done = run_bootstrap(settings, Patience(max_passes=1), 5, lambda *_: None)
    with Role("trainer", settings, nursery) as trainer:
        assert trainer.status()["champion_version"] == done.version
    assert (await causes(settings))[-1] == (done.version, "bootstrap")
