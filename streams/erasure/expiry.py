"""When Kafka and RocksDB let go of what they still hold of a user; for Kafka, by the settings its topics have. Pure.

A deleted topic drops whole segments, and the one being written to only when it is old enough itself; a compacted one
keeps what was replaced until it is compacted, and the mark of a removal for a while after that.
"""

from collections.abc import Mapping

from streams.erasure.receipt import Expiring, when
from streams.features.forgotten_users import HORIZON_MS
from streams.worker.recovery import MAX_ABSENCE_MS

__all__ = ["expiring"]

DAY_MS = 86_400_000
# How often a broker looks for what is due (log.retention.check.interval.ms, log.cleaner.backoff.ms), and some more.
BROKER_SLACK_MS = 3_600_000
# RocksDB's own `ttl` of files: it merges a file that is older, and drops what was removed.
ROCKSDB_TTL_MS = 30 * DAY_MS
_DELETED = ("retention.ms", "segment.ms")
_COMPACTED = ("max.compaction.lag.ms", "delete.retention.ms")
_TOPICS = {
    "events": ("the user's events as the site sent them, the request to forget included", _DELETED),
    "training-examples": ("lists shown to the user with their features and labels", _DELETED),
    "dead-letters": ("records of the user that were refused", _DELETED),
    "state-changelog": ("former values of the user's state, and the marks of their removal", _COMPACTED),
    "rankings": ("former lists of the user, and the marks of their removal", _COMPACTED),
}


def expiring(config: Mapping[str, Mapping[str, str]], now_ms: int) -> list[Expiring]:
    """What expires when. `config`: settings of topics by short name, as Kafka has them."""
    topics = [
        Expiring(f"topic {short}", what, when(now_ms + BROKER_SLACK_MS + sum(int(config[short][age]) for age in ages)))
        for short, (what, ages) in _TOPICS.items()
    ]
    return [
        *topics,
        Expiring(
            "worker state",
            "a SHA-256 of the user's id with the time, so that events sent late are refused",
            when(now_ms + HORIZON_MS),
        ),
        Expiring(
            "files of worker state and replay buffer",
            "removed records that no reader sees, until RocksDB merges their files",
            when(now_ms + ROCKSDB_TTL_MS),
        ),
        Expiring(
            "RocksDB's lists of its files",
            "first and last keys of files that are gone; the user's may be one of them",
            "the next start of worker and trainer",
        ),
        Expiring(
            "state folders of workers that had the partition before",
            "the user's state as of then",
            f"when the partition comes back, or by hand; it is not used after {MAX_ABSENCE_MS // 3_600_000} hours",
        ),
    ]
