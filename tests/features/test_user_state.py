"""What is known of one user: counts, sessions, answers, affinities, dwell, and its record."""

from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.features.answers import Answers
from streams.features.items import ItemTable
from streams.features.user_record import decode_user, encode_user
from streams.features.user_state import KEPT_VALUES, MAX_ACTIONS, MAX_VALUES_PER_FIELD, Offer, UserState
from streams.settings import CatalogueFields
from tests.features.sample_shop import CLICK, DISLIKE, IMPRESSION, NOW_MS, VIEW, WEEK_MS, shop

TEA, ALE, CUP = 1, 2, 3
GAP_MS = 30 * 60_000


def answers(slate_id: str, at_ms: int, *slots: int, surface: str = "home") -> Answers:
    """Items shown and passed."""
    return Answers(slate_id, surface, at_ms, list(slots), [0] * len(slots), [-2.5] * len(slots))


def leanings(user: UserState, items: ItemTable) -> list[dict[str, float]]:
    """Affinities by text as of the latest, field by field."""
    left = user.affinity_left(0)
    return [{items.values[value]: weight * left for value, weight in held.items()} for held in user.affinity]


def test_a_session_ends_by_half_an_hour_of_quiet_or_a_new_id() -> None:
    user, found = UserState("u"), []
    for at_ms, session in [
        (0, None), (GAP_MS, None), (2 * GAP_MS + 1, None), (2 * GAP_MS + 2, "a"), (2 * GAP_MS + 3, "a"),
        (2 * GAP_MS + 4, None), (2 * GAP_MS + 5, "b"), (2 * GAP_MS, "b"),
    ]:  # fmt: skip
        user.touch(NOW_MS + at_ms, session)
        found.append((user.num_session_actions, user.session_id))

    assert found == [(1, ""), (2, ""), (1, ""), (1, "a"), (2, "a"), (3, "a"), (1, "b"), (2, "b")]
    assert user.last_event_ms == NOW_MS + 2 * GAP_MS + 5


def test_counts_go_to_totals_and_decayed_and_a_dislike_only_to_decayed() -> None:
    user = UserState("u")
    for kind, num in ((IMPRESSION, 10), (CLICK, 1), (DISLIKE, 1)):
        user.count(kind, NOW_MS, num)
    assert user.totals == [10, 0, 1, 0, 0, 0]
    assert user.decayed == [10.0, 0.0, 1.0, 0.0, 0.0, 1.0] * 3


def test_the_oldest_answers_leave_beyond_ninety_six_items_but_the_newest_slate_stays() -> None:
    user = UserState("u")
    for number, size in enumerate((40, 40, 16, 1)):
        user.add_answers(answers(f"s{number}", NOW_MS, *range(size)))
    assert [(a.slate_id, len(a.slots)) for a in user.answers] == [("s1", 40), ("s2", 16), ("s3", 1)]
    user.add_answers(answers("long", NOW_MS, *range(300)))
    assert [a.slate_id for a in user.answers] == ["long"]


def test_an_answer_marks_the_item_of_its_slate_only() -> None:
    user = UserState("u")
    for slate in ("s0", "s1"):
        user.add_answers(answers(slate, NOW_MS, TEA, ALE))
    for slate, slot, value in (("s0", ALE, 1), ("s1", TEA, -1), ("s1", CUP, 1), ("gone", TEA, 1)):
        user.answer(slate, slot, value)
    assert [a.clicked.tolist() for a in user.answers] == [[0, 1], [-1, 0]]


def test_an_action_without_slate_belongs_to_the_newest_that_showed_the_item_a_clicked_one_first() -> None:
    user = UserState("u")
    for number, shown in enumerate([(TEA, ALE), (TEA, ALE), (ALE, CUP)]):
        user.add_answers(answers(f"s{number}", NOW_MS + number, *shown))
    user.answer("s0", ALE, 1)
    user.answer("s2", CUP, -1)

    found = [user.latest_slate_with(slot, NOW_MS) for slot in (TEA, ALE, CUP, 9)]
    late = [user.latest_slate_with(slot, NOW_MS + 2) for slot in (TEA, ALE, CUP)]

    assert found == ["s1", "s0", "s2", None]
    assert late == [None, "s2", "s2"]


def test_offers_of_one_surface_push_out_none_of_another() -> None:
    user = UserState("u")
    for surface in ("gone", "a", "b", "c", "d"):
        for number in range(4):
            user.add_offer(Offer(f"{surface}{number}", "explore", 1, [TEA], [0.5], surface))
    user.add_offer(Offer("e0", "explore", 1, [TEA], [0.5], "e"))
    kept = [offer.slate_id for offer in user.offers]
    assert kept == ["a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "c3", "d1", "d2", "d3", "e0"]


def test_an_offer_is_taken_once_and_the_oldest_leaves_beyond_three() -> None:
    user = UserState("u")
    for number in range(4):
        user.add_offer(Offer(f"s{number}", "explore", 1, [TEA], [0.5], "home"))
    found = [user.take_offer(slate) for slate in ("s0", "s2", "s2")]
    assert [offer and offer.slate_id for offer in found] == [None, "s2", None]
    assert [offer.slate_id for offer in user.offers] == ["s1", "s3"]


def test_fifty_actions_are_remembered_and_clicked_items_come_newest_first() -> None:
    user = UserState("u")
    for number in range(MAX_ACTIONS + 10):
        user.add_action(number % 7, VIEW if number % 2 else CLICK, NOW_MS + number)
    assert (len(user.action_slots), user.action_at_ms[0]) == (50, NOW_MS + 10)
    assert user.recently_clicked(3) == [2, 0, 5]


def test_affinity_halves_in_a_week_and_a_late_action_gives_what_is_left() -> None:
    items, user = shop(), UserState("u")
    user.lean(items, TEA, 4.0, NOW_MS)
    user.lean(items, ALE, -1.0, NOW_MS + WEEK_MS)
    user.lean(items, CUP, 8.0, NOW_MS)

    assert leanings(user, items) == [{"drinks": 1.0, "ware": 4.0}, {"hot": 6.0, "leaf": 2.0, "cold": -1.0}]
    assert user.affinity_at_ms == NOW_MS + WEEK_MS


def test_an_old_base_moves_and_weights_are_worth_the_same() -> None:
    """A year is 52 half-lives; the base of the first is too far away for the last."""
    items, user = shop(), UserState("u")
    for week in (0, 1, 52, 51):
        user.lean(items, CUP, 4.0, NOW_MS + week * WEEK_MS)

    assert user.affinity_base_ms == NOW_MS + 52 * WEEK_MS
    assert leanings(user, items)[0] == {"ware": pytest.approx(4.0 + 2.0 + 2.0**-49 + 2.0**-50)}


def test_the_weakest_values_leave_beyond_eighty_and_a_dislike_is_not_weak() -> None:
    items, user = ItemTable(CatalogueFields(affinity=("category",)), 1), UserState("u")
    weights = [-99.0, *(float(1 + (n * 7) % 81) for n in range(1, MAX_VALUES_PER_FIELD + 1))]
    for n, weight in enumerate(weights):
        slot = items.upsert({"item_id": f"i{n}", "category": f"c{n:02d}"}, NOW_MS)
        user.lean(items, slot, weight, NOW_MS)
    least = sorted(map(abs, weights))[-KEPT_VALUES]
    assert list(leanings(user, items)[0]) == [f"c{n:02d}" for n, weight in enumerate(weights) if abs(weight) >= least]


TIMES = st.integers(NOW_MS, NOW_MS + WEEK_MS)
SLOTS = st.integers(1, 3)
CHANCES = st.lists(st.floats(0.01, 1), max_size=2)
OFFERS = st.builds(
    Offer, st.just("s"), st.just("explore"), st.just(3), st.lists(SLOTS, max_size=2), CHANCES, st.sampled_from("ab")
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("touch"), TIMES, st.sampled_from([None, "a", "b"])),
        st.tuples(st.just("count"), st.integers(0, 5), TIMES),
        st.tuples(st.just("add_action"), SLOTS, st.integers(1, 5), TIMES),
        st.tuples(st.just("lean"), SLOTS, st.sampled_from([1.0, 4.0, -4.0]), TIMES),
        st.tuples(st.just("replace_dwell"), st.sampled_from(["s\0tea", "s\0ale"]), TIMES, st.integers(0, 90_000)),
        st.tuples(st.just("add_answers"), st.builds(answers, st.sampled_from(["s", "é\0"]), TIMES, SLOTS)),
        st.tuples(st.just("answer"), st.just("s"), SLOTS, st.sampled_from([1, -1])),
        st.tuples(st.just("add_offer"), OFFERS),
    ),
    max_size=20,
)


def user_after(items: ItemTable, steps: list[tuple[Any, ...]]) -> UserState:
    """A user to whom these things happened."""
    user = UserState("ü")
    for name, *arguments in deepcopy(steps):
        getattr(user, name)(*([items] if name == "lean" else []), *arguments)
    return user


@given(STEPS)
def test_a_user_comes_back_from_its_record_and_equal_users_give_equal_bytes(steps: list[tuple[Any, ...]]) -> None:
    items = shop()
    user = user_after(items, steps)
    raw = encode_user(user, items)
    back = decode_user(raw, items)

    assert encode_user(back, items) == raw == encode_user(user_after(items, steps), items)
    no_leanings: list[dict[int, float]] = [{} for _ in items.fields.affinity]
    assert msgspec.structs.replace(back, affinity=[]) == msgspec.structs.replace(user, affinity=[])
    assert back.affinity == (user.affinity or no_leanings)


@given(STEPS)
def test_a_record_means_the_same_to_a_worker_that_numbers_items_otherwise(steps: list[tuple[Any, ...]]) -> None:
    here, there = shop(), ItemTable(shop().fields, 1)
    for item in ("cup", "else", "ale"):
        there.slot(item)
    raw = encode_user(user_after(here, steps), here)
    assert encode_user(decode_user(raw, there), there) == raw


def test_leanings_to_fields_that_are_declared_no_more_are_left_out() -> None:
    items, user = shop(), UserState("u")
    user.lean(items, TEA, 2.0, NOW_MS)
    raw = encode_user(user, items)
    fewer = shop(fields=CatalogueFields(affinity=("brand", "tags")))
    assert leanings(decode_user(raw, fewer), fewer) == [{}, {"hot": 2.0, "leaf": 2.0}]


def test_a_record_of_an_active_user_stays_small() -> None:
    """Every cap at its limit, with ids of 12 bytes."""
    items, user = ItemTable(CatalogueFields(), 1), UserState("u" * 12)
    for n in range(500):
        slot = items.upsert(
            {"item_id": f"item{n:08d}", "category": f"category {n}", "brand": f"brand {n}", "tags": [f"tag {n}"]},
            NOW_MS,
        )
        user.add_action(slot, VIEW, NOW_MS)
        user.lean(items, slot, 1.0 + n / 7, NOW_MS + n)
        user.add_answers(answers(f"slate{n:08d}", NOW_MS, slot))
        user.replace_dwell(f"slate{n}\0item{n:08d}", NOW_MS, 100)
    assert len(encode_user(user, items)) < 30_000
    assert all(KEPT_VALUES <= len(held) <= MAX_VALUES_PER_FIELD for held in user.affinity)
