"""kill -9 of a real trainer under load, and damaged files: it learns each slate once, and goes on as if nothing was."""

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import orjson
import pytest
import torch

from models.checkpoint import load
from streams.clock import SystemClock
from streams.kafka.admin import create_topics
from streams.kafka.record_sender import OutRecord
from streams.ranking.record import Ranking
from streams.settings import Settings
from streams.topics import topic_specs
from streams.training.announcement import KEY, Announcement, announcement_of, decode_announcement, encode_announcement
from streams.training.registry import Registry
from streams.training.trainer_state import load_state
from tests.recovery.example_records import ROUND_SLATES, examples_of, for_examples, on_topic
from tests.recovery.role import Role
from tests.recovery.role_nursery import RoleNursery
from tests.recovery.runs import drained, prepare, records_of, send_records, with_settings
from tests.recovery.straight_rounds import open_buffer, straight_state
from tests.training.taste_world import ready_slates

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]

NUM_ROUNDS = 6
NUM_SLATES = NUM_ROUNDS * ROUND_SLATES + 40


async def announced(settings: Settings) -> list[Announcement]:
    return [decode_announcement(record.value) for record in await records_of(settings, "model-updates")]


async def test_a_trainer_killed_again_and_again_learns_every_slate_once_and_ends_with_the_same_weights(
    kafka: object, settings: Settings, nursery: RoleNursery, tmp_path: Path
) -> None:
    settings = for_examples(settings)
    create_topics(settings)
    records = on_topic(settings, examples_of(ready_slates(NUM_SLATES, 3)))
    cuts = np.linspace(0, len(records), 5).astype(int).tolist()
    with Role("trainer", settings, nursery) as trainer:
        # Killed while it fills the buffer, while a round runs, and right after a round.
        moments = (
            lambda status: status["slates_waiting"] > 0,
            lambda status: status["round_running"],
            lambda status: status["rounds"] >= 2,
        )
        for number, (start, end) in enumerate(pairwise(cuts)):
            await send_records(settings, records[start:end])
            if number < len(moments):
                trainer.wait_until(moments[number])
                trainer.kill()
                trainer.start()
        await drained(trainer)
        trainer.wait_until(lambda status: status["rounds"] == NUM_ROUNDS and not status["round_running"])
        assert trainer.status()["slates_waiting"] == NUM_SLATES - NUM_ROUNDS * ROUND_SLATES

    buffer = open_buffer(settings.data_dir / "buffer")
    ready = [(entry.slate.slate_id, entry.tasks) for entry in buffer.ready(0, 2 * NUM_SLATES)]
    buffer.close()
    assert ready == [(f"s3-{number}", ("cart", "click", "dwell")) for number in range(1, NUM_SLATES + 1)]

    versions = [announcement.version for announcement in await announced(settings)]
    assert versions
    assert versions == sorted(versions)
    rounds_folder = settings.data_dir / "trainer"
    hashes = settings.catalogue.schema_.hash, (await announced(settings))[-1].tasks
    for version in set(versions):
        assert load(Registry(settings.data_dir / "models", 100).path(version), *hashes).manifest["version"] == version

    saved = load_state(rounds_folder, *hashes)
    assert saved is not None
    expected = straight_state(
        settings, await records_of(settings, "training-examples"), NUM_ROUNDS, tmp_path / "straight"
    )
    assert saved[1].num_rounds == NUM_ROUNDS
    assert [name for name in expected if not torch.equal(expected[name].cpu(), saved[0][name])] == []


def tear(file: Path) -> None:
    """As a disk that lost the end of it."""
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def newest(folder: Path) -> Path:
    return max(entry for entry in folder.iterdir() if entry.name.isdigit())


async def test_a_torn_state_and_a_torn_champion_are_refused_and_the_trainer_goes_on(
    kafka: object, settings: Settings, nursery: RoleNursery
) -> None:
    settings = for_examples(settings)
    create_topics(settings)
    records = on_topic(settings, examples_of(ready_slates(5 * ROUND_SLATES, 4)))
    half = 4 * (3 * ROUND_SLATES)
    with Role("trainer", settings, nursery) as trainer:
        await send_records(settings, records[:half])
        before = trainer.wait_until(lambda status: status["rounds"] == 3 and not status["round_running"])
        assert before["champion_version"] > 0
        trainer.kill()
        tear(newest(settings.data_dir / "trainer") / "weights.safetensors")
        tear(Registry(settings.data_dir / "models", 100).path(before["champion_version"]) / "weights.safetensors")
        topic = topic_specs(settings)["model-updates"].name
        await send_records(settings, [OutRecord(topic, b"stranger", b"not an announcement")])
        trainer.start()
        # The round of the torn state is run again, then the others.
        await send_records(settings, records[half:])
        after = trainer.wait_until(lambda status: status["rounds"] == 5 and not status["round_running"])
        assert after["champion_version"] > before["champion_version"]
        assert trainer.counters()["rejects", "not_an_announcement"] == 1
        assert trainer.log.count("trainer_state_refused") == 1
        assert trainer.log.count("champion_refused") == 1


def published(settings: Settings, seed: int) -> Announcement:
    """A version as the trainer publishes it."""
    from models.finetune import FineTuneConfig, FineTuner

    ranker = FineTuner(FineTuneConfig(), settings.catalogue.schema_, settings.labels.tasks, "cpu", seed).serving_model()
    registry = Registry(settings.data_dir / "models", 10)
    version = registry.publish(ranker, {})
    return announcement_of(settings, version, registry.path(version), cause="round", published_at_ms=seed)


async def announce(settings: Settings, value: bytes) -> None:
    await send_records(settings, [OutRecord(topic_specs(settings)["model-updates"].name, KEY, value)])


async def test_a_worker_refuses_damaged_models_and_serves_the_one_before(
    kafka: object, settings: Settings, nursery: RoleNursery
) -> None:
    settings = with_settings(settings, 1)
    await prepare(settings)
    first, damaged, gone, last = (published(settings, seed) for seed in range(4))
    tear(settings.data_dir / "models" / damaged.location / "weights.safetensors")
    shutil.rmtree(settings.data_dir / "models" / gone.location)
    request = {
        "type": "rank", "event_id": "e", "user_id": "u", "occurred_at_ms": SystemClock().now_ms(), "request_id": "r",
        "surface": "home", "items": [{"item_id": "i1"}, {"item_id": "i2"}],
    }  # fmt: skip
    with Role("worker", settings, nursery) as worker:
        await announce(settings, encode_announcement(first))
        worker.wait_until(lambda status: status["model_version"] == first.version)
        for number, bad in enumerate((encode_announcement(damaged), encode_announcement(gone), b"{"), 1):
            await announce(settings, bad)
            worker.wait_until(lambda _, n=number: sum(refusals(worker).values()) == n)
        await send_records(settings, [OutRecord(topic_specs(settings)["events"].name, b"u", orjson.dumps(request))])
        await drained(worker)
        assert worker.status()["model_version"] == first.version
        await announce(settings, encode_announcement(last))
        worker.wait_until(lambda status: status["model_version"] == last.version)
        assert refusals(worker) == {
            "TornCheckpointError": 1, "MissingCheckpointError": 1, "not_an_announcement": 1,
        }  # fmt: skip
    lists = [Ranking.model_validate_json(record.value) for record in await records_of(settings, "rankings")]
    assert [(one.model_version, len(one.items)) for one in lists if one.slate_id == "r"] == [(first.version, 2)]


def refusals(worker: Role) -> dict[str, float]:
    return {reason: value for (name, reason), value in worker.counters().items() if name == "models_refused"}
