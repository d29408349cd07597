"""Slates of the seeded world as records on `training-examples`, and a trainer's settings that fit them."""

from collections.abc import Sequence

from streams.examples.records import Labels, Shown, encode_record
from streams.kafka.record_sender import OutRecord
from streams.settings import CatalogueFields, Settings, TrainingSettings
from streams.topics import topic_specs
from streams.training.buffered_slate import ReadySlate
from tests.training.taste_world import SCHEMA

ROUND_SLATES = 96


def for_examples(settings: Settings) -> Settings:
    """One partition and rounds by rows alone: what is learned then depends on the records only."""
    training = TrainingSettings(
        device="cpu", round_slates=ROUND_SLATES, round_interval_s=None, replay_slates=32, keep_versions=100
    )
    fields = CatalogueFields(affinity=SCHEMA.affinity_fields, numbers=SCHEMA.number_fields)
    return settings.model_copy(update={"num_partitions": 1, "training": training, "catalogue": fields})


def examples_of(slates: Sequence[ReadySlate]) -> list[Shown | Labels]:
    """What each slate was made of, the click labels last: it then becomes ready once."""
    found: list[Shown | Labels] = []
    for entry in slates:
        found += entry.slate.shown
        found += [_labels(entry, task) for task in sorted(entry.tasks, key="click".__eq__)]
    return found


def _labels(entry: ReadySlate, task: str) -> Labels:
    held = entry.slate.labels[task]
    return Labels(
        slate_id=entry.slate.slate_id,
        user_id=entry.slate.user_id,
        task=task,
        revision=held.revision,
        items=held.items,
        values=held.values,
        censored=held.censored,
        shown_at_ms=entry.slate.shown[0].shown_at_ms,
    )


def on_topic(settings: Settings, examples: Sequence[Shown | Labels]) -> list[OutRecord]:
    """The records as the worker sends them."""
    topic = topic_specs(settings)["training-examples"].name
    return [OutRecord(topic, example.slate_id.encode(), encode_record(example)) for example in examples]
