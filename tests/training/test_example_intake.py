from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from streams.clock import ManualClock
from streams.errors import StateError
from streams.events.dead_letter import DeadLetter
from streams.examples.records import encode_record
from streams.kafka.record_sender import OutRecord
from streams.observability.metrics import TrainerMetrics
from streams.settings import CatalogueFields, Settings
from streams.training.example_intake import ExampleIntake
from streams.training.replay_buffer import ReplayBuffer
from tests.training.buffers import OpenBuffer, queue
from tests.training.slates import SCHEMA, labels, shown


@dataclass(frozen=True)
class Record:
    """A record as a consumer gives it."""

    offset: int
    value: bytes | None
    partition: int = 2
    key: bytes | None = b"s"


class Intake:
    """The intake of a buffer, with what it sent as dead letters."""

    def __init__(self, settings: Settings, clock: ManualClock, buffer: ReplayBuffer) -> None:
        fields = CatalogueFields(affinity=SCHEMA.affinity_fields, numbers=SCHEMA.number_fields)
        settings = settings.model_copy(update={"catalogue": fields})
        self.sent: list[OutRecord] = []
        self.metrics = TrainerMetrics()
        self.topic_prefix = settings.topic_prefix
        self.intake = ExampleIntake(settings, clock, buffer, self._send, self.metrics)

    async def _send(self, records: Sequence[OutRecord]) -> None:
        self.sent += records

    async def take(self, *values: bytes | None, start: int, end_offset: int | None = None) -> None:
        records: Any = [Record(offset, value) for offset, value in enumerate(values, start)]
        await self.intake.take(2, records, end_offset)

    def count(self, name: str, **tags: str) -> float:
        return self.metrics.registry.get_sample_value(f"freshrank_{name}_total", tags) or 0.0


@pytest.fixture
def intake(settings: Settings, clock: ManualClock, open_buffer: OpenBuffer) -> Intake:
    return Intake(settings, clock, open_buffer())


SHOWN, CLICKS = encode_record(shown("s")), encode_record(labels("s", "click", {"a": 1, "b": 0}))


async def test_valid_neighbours_of_bad_records_are_all_taken_in(intake: Intake, open_buffer: OpenBuffer) -> None:
    await intake.take(SHOWN, b"not json", None, CLICKS, start=10)
    buffer = open_buffer()
    assert (queue(buffer), buffer.next_offset(2)) == ([(1, "s", ("click",))], 14)
    letters = [DeadLetter.decode(out.value or b"") for out in intake.sent]
    assert [(one.offset, one.partition, one.reason, one.rejected_bytes) for one in letters] == [
        (11, 2, "not_json", b"not json"),
        (12, 2, "empty", None),
    ]
    assert {one.topic for one in letters} == {f"{intake.topic_prefix}training-examples"}
    assert {out.topic for out in intake.sent} == {f"{intake.topic_prefix}dead-letters"}
    counts = [intake.count("slates"), intake.count("labels", task="click"), intake.count("rejects", reason="not_json")]
    assert counts == [1, 1, 1]


async def test_a_chunk_of_only_bad_records_is_passed_by(intake: Intake, open_buffer: OpenBuffer) -> None:
    await intake.take(b"{", b"[", start=0)
    assert open_buffer().next_offset(2) == 2


async def test_records_that_come_again_are_counted_once(intake: Intake) -> None:
    for _ in range(2):
        await intake.take(SHOWN, CLICKS, start=5)
    assert [intake.count("slates"), intake.count("labels", task="click")] == [1, 1]


async def test_a_topic_that_was_made_again_is_refused_in_place_of_skipping_all_its_records(intake: Intake) -> None:
    await intake.take(SHOWN, CLICKS, start=500, end_offset=502)
    await intake.take(SHOWN, start=501, end_offset=502)
    with pytest.raises(StateError, match=r"partition 2 of .* ends at 1, the replay buffer has taken it up to 502"):
        await intake.take(SHOWN, start=0, end_offset=1)
