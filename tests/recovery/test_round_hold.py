"""Rounds held back, in a real trainer: nothing is learned before all that belongs to it is there."""

from pathlib import Path

import msgspec
import pytest
import torch

from models.tasks import task_hash
from streams.examples.records import Labels
from streams.kafka.admin import create_topics
from streams.settings import Settings
from streams.training.round_hold import RoundHold
from streams.training.trainer_state import load_state
from tests.recovery.example_records import ROUND_SLATES, examples_of, for_examples, on_topic
from tests.recovery.role import Role
from tests.recovery.role_nursery import RoleNursery
from tests.recovery.runs import drained, records_of, send_records
from tests.recovery.straight_rounds import straight_state
from tests.training.taste_world import ready_slates

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]

NUM_ROUNDS = 2


def corrected(example: Labels) -> Labels:
    """Its first item was clicked after all."""
    return msgspec.structs.replace(example, revision=2, values=[1.0, *example.values[1:]])


async def test_held_rounds_learn_what_was_corrected_before_they_were_let_go(
    kafka: object, settings: Settings, nursery: RoleNursery, tmp_path: Path
) -> None:
    settings = for_examples(settings)
    create_topics(settings)
    examples = examples_of(ready_slates(NUM_ROUNDS * ROUND_SLATES, 3))
    clicks = [one for one in examples if isinstance(one, Labels) and one.task == "click"]
    hold = RoundHold(settings.data_dir)
    hold.put()
    with Role("trainer", settings, nursery) as trainer:
        await send_records(settings, on_topic(settings, examples))
        await drained(trainer)
        trainer.wait_until(lambda status: status["slates_waiting"] == NUM_ROUNDS * ROUND_SLATES)
        await send_records(settings, on_topic(settings, [corrected(one) for one in clicks[:20]]))
        await drained(trainer)
        status = trainer.status()
        assert (status["rounds"], status["round_running"]) == (0, False)
        hold.lift()
        trainer.wait_until(lambda status: status["rounds"] == NUM_ROUNDS and not status["round_running"])

    saved = load_state(settings.data_dir / "trainer", settings.catalogue.schema_.hash, task_hash(settings.labels.tasks))
    assert saved is not None
    records = await records_of(settings, "training-examples")
    expected = straight_state(settings, records, NUM_ROUNDS, tmp_path / "straight")
    assert [name for name in expected if not torch.equal(expected[name].cpu(), saved[0][name])] == []
