"""The topics: name, key, retention and owner, in one table. Knows Kafka's words, but opens no connection."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.settings import Settings

__all__ = ["TopicSpec", "topic_specs"]

DAY_MS = 86_400_000
# A record of 1 MB from a careless site must reach the worker, so that it can be rejected with a reason.
MAX_RECORD_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as it must be. `short` is the name without the prefix."""

    short: str
    name: str
    key: str
    record: str
    written_by: str
    num_partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


def topic_specs(settings: Settings) -> dict[str, TopicSpec]:
    """All topics by short name. Every partitioned topic has the same number of partitions."""
    # A segment that is still written to is neither deleted nor compacted: without a limit of its age, what must go
    # would stay twice as long, and on a quiet topic for ever.
    days = {"cleanup.policy": "delete", "retention.ms": str(7 * DAY_MS), "segment.ms": str(DAY_MS)}
    forever = {
        "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1", "max.compaction.lag.ms": str(DAY_MS)
    }  # fmt: skip
    expiring = {
        "cleanup.policy": "compact,delete", "retention.ms": str(30 * DAY_MS), "max.compaction.lag.ms": str(DAY_MS)
    }  # fmt: skip
    # LogAppendTime: a log from years ago must not fall to retention.
    shared = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(MAX_RECORD_BYTES)}
    many, one = settings.num_partitions, 1
    rows = (
        ("events", "user_id", "one thing a user did or asked", "the site", many, days),
        ("catalogue", "item_id", "an item's fields, or a tombstone", "the site", many, forever),
        (
            "item-counts",
            "item_id|source partition",
            "what one events partition counted for the item",
            "features",
            many,
            forever,
        ),
        (
            "state-changelog",
            "state key",
            "a changed state record, with the offset it includes",
            "worker",
            many,
            forever,
        ),
        ("training-examples", "slate_id", "what was shown, or labels for it", "examples", many, days),
        ("model-updates", "model name", "version, location, hashes, gate report", "training", one, forever),
        ("rankings", "user_id NUL surface", "a scored, ordered list", "ranking", many, expiring),
        ("dead-letters", "source key", "rejected bytes, place and reason", "whoever rejects", many, days),
    )
    return {
        short: TopicSpec(short, settings.topic_prefix + short, key, record, owner, count, {**shared, **config})
        for short, key, record, owner, count, config in rows
    }
