"""The topics as one table."""

from streams.settings import Settings
from streams.topics import topic_specs

DAY_MS = 86_400_000
SPECS = topic_specs(Settings(num_partitions=5, topic_prefix="shop."))


def test_topics_have_their_prefix_key_and_partitions() -> None:
    assert [(spec.short, spec.name, spec.key, spec.num_partitions) for spec in SPECS.values()] == [
        ("events", "shop.events", "user_id", 5),
        ("catalogue", "shop.catalogue", "item_id", 5),
        ("item-counts", "shop.item-counts", "item_id|source partition", 5),
        ("state-changelog", "shop.state-changelog", "state key", 5),
        ("training-examples", "shop.training-examples", "slate_id", 5),
        ("model-updates", "shop.model-updates", "model name", 1),
        ("rankings", "shop.rankings", "user_id NUL surface", 5),
        ("dead-letters", "shop.dead-letters", "source key", 5),
    ]
    assert list(SPECS) == [spec.short for spec in SPECS.values()]


def test_what_is_kept_follows_what_a_record_is() -> None:
    """State must never expire, events must, and lists do both."""
    found = {s: (spec.config["cleanup.policy"], spec.config.get("retention.ms")) for s, spec in SPECS.items()}
    week, month = str(7 * DAY_MS), str(30 * DAY_MS)
    assert found == {
        "events": ("delete", week),
        "catalogue": ("compact", None),
        "item-counts": ("compact", None),
        "state-changelog": ("compact", None),
        "training-examples": ("delete", week),
        "model-updates": ("compact", None),
        "rankings": ("compact,delete", month),
        "dead-letters": ("delete", week),
    }


def test_what_is_deleted_or_replaced_leaves_the_disk_within_a_day_of_its_time() -> None:
    """Kafka leaves the segment that it writes to alone: only its age ends it."""
    limits = ("segment.ms", "max.compaction.lag.ms")
    found = {s: [name for name in limits if spec.config.get(name) == str(DAY_MS)] for s, spec in SPECS.items()}
    assert found == {
        "events": ["segment.ms"],
        "catalogue": ["max.compaction.lag.ms"],
        "item-counts": ["max.compaction.lag.ms"],
        "state-changelog": ["max.compaction.lag.ms"],
        "training-examples": ["segment.ms"],
        "model-updates": ["max.compaction.lag.ms"],
        "rankings": ["max.compaction.lag.ms"],
        "dead-letters": ["segment.ms"],
    }


def test_every_topic_uses_append_time_and_takes_a_careless_record() -> None:
    found = {(spec.config["message.timestamp.type"], spec.config["max.message.bytes"]) for spec in SPECS.values()}
    assert found == {("LogAppendTime", str(2 << 20))}
