"""Reads `training-examples` from start to end and says whether every shown slate is there once, and labelled.

Its own reading of the topic, so that it does not rest on what the trainer believes.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiokafka.structs import ConsumerRecord

from streams.examples.records import Forget, Shown, decode_record
from streams.kafka.tail import TopicTail
from streams.settings import Settings
from streams.topics import topic_specs

__all__ = ["ExampleAudit", "read_examples"]

Slate = tuple[str, str]


@dataclass(slots=True)
class ExampleAudit:
    """Slates by (user, slate id). `shown` counts distinct parts; `labelled`: click labels of a closed window came."""

    shown: dict[Slate, set[int]] = field(default_factory=dict)
    labelled: set[Slate] = field(default_factory=set)
    labels: Counter[str] = field(default_factory=Counter)

    def take(self, raw: bytes) -> None:
        """Take one record of the topic."""
        record = decode_record(raw)
        if isinstance(record, Forget):
            return
        slate = (record.user_id, record.slate_id)
        if isinstance(record, Shown):
            self.shown.setdefault(slate, set()).add(record.part)
            return
        self.labels[record.task] += 1
        if record.task == "click" and record.is_closed:
            self.labelled.add(slate)

    def problems(self, sent: set[Slate]) -> list[str]:
        """One sentence for each way in which this differs from the slates that were sent."""
        missing, extra = sent - self.shown.keys(), self.shown.keys() - sent
        unlabelled = sent & self.shown.keys() - self.labelled
        found = [
            (missing, "slates were shown but gave no training example"),
            (extra, "training examples are of slates that were never shown"),
            (unlabelled, "training examples never got their click labels"),
        ]
        return [f"{len(slates):,} {what} (one: {min(slates)[1]})" for slates, what in found if slates]


async def read_examples(settings: Settings) -> ExampleAudit:
    """Everything on the topic up to its present end."""
    audit = ExampleAudit()

    def on_records(_: int, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        for record in records:
            audit.take(record.value or b"")

    tail = TopicTail(settings, topic_specs(settings)["training-examples"].name, on_records)
    await tail.start()
    await tail.stop()
    return audit
