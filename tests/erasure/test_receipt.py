"""What a receipt says, and when it is complete."""

import dataclasses

from streams.erasure.expiry import expiring
from streams.erasure.receipt import STAYS, Expiring, Receipt, Removed

DAY_MS = 86_400_000
NOW_MS = 1_767_225_600_000  # the first of January 2026
RECEIPT = Receipt(
    "ann",
    NOW_MS,
    [Removed("topic rankings", "lists", 2, 0), Removed("replay buffer", "lists with features and labels", None, None)],
    [Expiring("topic events", "events", "2026-01-09T00:00:00+00:00")],
)


def test_a_receipt_as_json() -> None:
    assert RECEIPT.to_json() == {
        "user_id": "ann",
        "forgotten_at": "2026-01-01T00:00:00+00:00",
        "is_complete": True,
        "removed": [
            {"store": "topic rankings", "what": "lists", "found": 2, "left": 0},
            {"store": "replay buffer", "what": "lists with features and labels", "found": None, "left": None},
        ],
        "expires": [{"store": "topic events", "what": "events", "by": "2026-01-09T00:00:00+00:00"}],
        "stays": [dataclasses.asdict(staying) for staying in STAYS],
    }


def test_a_receipt_is_not_complete_while_something_is_left() -> None:
    assert not dataclasses.replace(RECEIPT, removed=[Removed("topic rankings", "lists", 2, 1)]).is_complete


def test_topics_let_go_by_the_settings_that_they_have() -> None:
    deleted = {"retention.ms": str(7 * DAY_MS), "segment.ms": str(DAY_MS)}
    compacted = {"max.compaction.lag.ms": str(2 * DAY_MS), "delete.retention.ms": str(DAY_MS)}
    config = {
        "events": deleted,
        "training-examples": {**deleted, "retention.ms": str(DAY_MS)},
        "dead-letters": deleted,
        "state-changelog": compacted,
        "rankings": compacted,
    }
    assert {one.store: one.by for one in expiring(config, NOW_MS) if one.store.startswith("topic")} == {
        "topic events": "2026-01-09T01:00:00+00:00",
        "topic training-examples": "2026-01-03T01:00:00+00:00",
        "topic dead-letters": "2026-01-09T01:00:00+00:00",
        "topic state-changelog": "2026-01-04T01:00:00+00:00",
        "topic rankings": "2026-01-04T01:00:00+00:00",
    }
