"""What single types of event do to the state and send."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from streams.examples.records import Shown, decode_record
from streams.features.state_store import StateStore
from streams.worker.partition import Partition
from tests.worker.event_log import START_MS, records

Open = Callable[[Path], tuple[Partition, StateStore]]


def event(kind: str, at_s: float, **fields: Any) -> dict[str, Any]:
    at_ms = START_MS + int(at_s * 1000)
    return {"type": kind, "event_id": f"{kind}{at_s}", "user_id": "u1", "occurred_at_ms": at_ms, **fields}


def impression(at_s: float, *items: str, surface: str = "home") -> dict[str, Any]:
    shown = [{"item_id": item, "position": place} for place, item in enumerate(items)]
    return event("impression", at_s, slate_id="s1", surface=surface, items=shown)


def test_what_a_full_slate_has_no_place_for_is_counted_and_not_learned(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    parts = [[f"p{n}" for n in range(start, start + 450)] for start in range(0, 2250, 450)]
    outputs = engine.process(records([impression(number, *part) for number, part in enumerate(parts)]))
    user, items = engine.state.user("u1"), engine.state.items
    remembered = [(len(answers.slots), items.item_ids[answers.slots[-1]]) for answers in user.answers]
    counted = [int(items.totals[items.slot(item), 0]) for part in parts for item in part]
    store.close()

    shown = [record for record in (decode_record(raw) for _, raw in outputs.examples) if isinstance(record, Shown)]
    assert [len(record.items) for record in shown] == [450, 450, 450, 450, 200]
    assert (outputs.counts["shown"], outputs.counts["slate_full"]) == (5, 250)
    assert (user.totals[0], user.num_slates, remembered) == (2250, 1, [(200, "p1999")])
    assert counted == [1] * 2250


def test_forget_takes_back_lists_of_every_surface_that_is_remembered(open_engine: Open, tmp_path: Path) -> None:
    """Also a list that was asked for and never shown, after the user left memory."""
    engine, store = open_engine(tmp_path / "state")
    asked = [event("rank", 0.5 + n, request_id=f"r{n}", surface=name) for n, name in enumerate(("search", "home"))]
    engine.process(records([impression(0, "i1", surface="cart"), *asked]))
    store.write(engine.state.drain().records)
    engine.state.written(cached_users=0)
    outputs = engine.process(records([event("forget", 2)], first_offset=3))
    store.close()
    assert [(gone.user_id, gone.surfaces) for gone in outputs.forgotten] == [("u1", ("home", "cart", "search"))]


def test_the_newest_surfaces_of_a_user_are_remembered(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    engine.process(records([event("rank", n, request_id=f"r{n}", surface=f"p{n % 70}") for n in range(71)]))
    store.close()
    assert engine.state.user("u1").surfaces == [*(f"p{n}" for n in range(7, 70)), "p0"]


def test_visits_to_items_whose_ids_hold_bars_are_kept_apart(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    beats = [
        event("dwell", 1, item_id="b|c", slate_id="a", dwell_s=3.0),
        event("dwell", 2, item_id="c", slate_id="a|b", dwell_s=4.0),
    ]
    engine.process(records(beats))
    total_ms = engine.state.user("u1").totals[5]
    store.close()
    assert total_ms == 7000


def test_a_request_says_whether_its_list_is_to_be_explained(open_engine: Open, tmp_path: Path) -> None:
    engine, store = open_engine(tmp_path / "state")
    named = {"surface": "home", "items": [{"item_id": "i1"}]}
    requests = [
        event("rank", 0, request_id="r0", surface="home", explain=True),
        event("rank", 1, request_id="r1", surface="home"),
        event("rank", 2, request_id="r2", explain=True, **named),
        event("rank", 3, request_id="r3", explain=False, **named),
    ]
    outputs = engine.process(records(requests))
    store.close()
    assert {due.task.slate_id: due.task.is_explained for due in outputs.ranks} == {
        "r0": True, "r1": False, "r2": True, "r3": False
    }  # fmt: skip
