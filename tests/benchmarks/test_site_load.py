"""The events of a load fall due at the rate of each step, the slates' impressions first."""

from collections import Counter

import numpy as np
import orjson
import pytest

from benchmarks.site_load import Step, live_event, timed_events


def test_rates_follow_the_steps_and_each_slate_begins_with_its_impression() -> None:
    at_s, raws = timed_events([Step(100, 60), Step(400, 60)], seed=5)
    num = Counter((at_s // 20).astype(int).tolist())
    # The full rate comes when slates have been begun for long enough, in each step.
    assert num[2] / 20 == pytest.approx(100, rel=0.1)
    assert num[5] / 20 == pytest.approx(400, rel=0.1)
    assert np.all(np.diff(at_s) >= 0)
    first: dict[str, str] = {}
    for raw in raws:
        event = orjson.loads(raw)
        first.setdefault(event["session_id"], event["type"])
    assert set(first.values()) == {"impression"}


def test_ids_are_of_the_load_and_users_and_items_of_the_log() -> None:
    raw = b'{"event_id":"e","type":"click","user_id":"u","occurred_at_ms":1,"session_id":"s","slate_id":"l"}'
    assert live_event(raw, "x") == {
        "event_id": "x-e", "type": "click", "user_id": "u", "session_id": "x-s", "slate_id": "x-l",
    }  # fmt: skip
