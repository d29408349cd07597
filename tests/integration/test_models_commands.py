"""`freshrank models promote` and `rollback` on a real broker: what workers and the trainer are told."""

import asyncio
import json
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from models.ranker import Ranker
from models.ranker_config import RankerConfig
from streams.commands.models import models
from streams.errors import CheckpointError
from streams.kafka.admin import create_topics
from streams.settings import Settings
from streams.training.announcement import decode_announcement
from streams.training.registry import Champions, Registry
from tests.recovery.role import Role
from tests.recovery.role_nursery import RoleNursery
from tests.recovery.runs import records_of

pytestmark = pytest.mark.integration


def published(settings: Settings, num: int) -> Registry:
    """Versions 1 to `num` on disk, announced to nobody."""
    registry = Registry(settings.data_dir / "models", keep=10)
    for seed in range(num):
        torch.manual_seed(seed)
        registry.publish(Ranker(RankerConfig(), settings.catalogue.schema_, settings.labels.tasks), {})
    return registry


def run(settings: Settings, *arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(models, [*arguments, "--json"], env=settings.to_env(), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


async def told(settings: Settings) -> list[tuple[int, str, str]]:
    found = [decode_announcement(record.value) for record in await records_of(settings, "model-updates")]
    return [(one.version, one.location, one.cause) for one in found]


def test_promoting_and_rolling_back_move_the_champion_and_tell_everyone(kafka: object, settings: Settings) -> None:
    create_topics(settings)
    registry = published(settings, 3)
    assert run(settings, "promote", "1") == {"champion_version": 1}
    assert run(settings, "rollback") == {"champion_version": 3}
    assert run(settings, "rollback") == {"champion_version": 2}
    assert registry.champions() == Champions(2, [1])
    assert asyncio.run(told(settings)) == [(1, "000001", "promote"), (3, "000003", "rollback"),
                                           (2, "000002", "rollback")]  # fmt: skip


def test_a_damaged_version_is_refused_and_nobody_is_told(kafka: object, settings: Settings) -> None:
    create_topics(settings)
    registry = published(settings, 2)
    weights = registry.path(1) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:64])
    with pytest.raises(CheckpointError, match="bytes; remove the folder"):
        run(settings, "promote", "1")
    assert (registry.champions().version, asyncio.run(told(settings))) == (2, [])


async def test_a_champion_that_a_crash_left_unannounced_is_announced_at_the_next_start(
    kafka: object, settings: Settings, nursery: RoleNursery
) -> None:
    create_topics(settings)
    published(settings, 2)
    for _ in range(2):
        with Role("trainer", settings, nursery) as trainer:
            status = trainer.wait_until(lambda found: found["ready"])
            assert (status["champion_version"], status["published_version"]) == (2, 2)
    assert await told(settings) == [(2, "000002", "restart")]
