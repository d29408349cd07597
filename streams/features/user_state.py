"""What we know of one user: totals, decayed counters, recent actions, answers to shown items, affinities, session.

Items and field values are kept as the worker's own numbers (slots, value ids); user_record.py writes them as text.
Everything is capped, so a record stays within tens of kB however active the user is.
"""

from array import array
from itertools import compress

import msgspec
import numpy as np

from models.feature_schema import EVENT_KINDS
from streams.features.answers import Answers
from streams.features.catalogue import CatalogueColumns
from streams.features.count_record import NUM_DECAYED, NUM_TOTALS, TOTAL_OF_KIND
from streams.features.decay import add_forward, as_of, grown

__all__ = ["Offer", "OpenDwell", "UserState"]

MAX_ACTIONS = 50
MAX_ANSWERS = 96
# Beyond the first number of values the weakest leave, until the second is left: finding them costs a sort.
MAX_VALUES_PER_FIELD, KEPT_VALUES = 80, 64
MAX_OPEN_DWELLS = 100
MAX_OFFERS, MAX_OFFER_SURFACES = 3, 5
MAX_OFFERED_ITEMS = 1000
MAX_SURFACES = 64
AFFINITY_HALF_LIFE_MS = 7 * 86_400_000
# Weights grow to at most 2^16 times what they are worth before their base time moves.
AFFINITY_BASE_MS = 16 * AFFINITY_HALF_LIFE_MS
SESSION_GAP_MS = 30 * 60_000
CLICK = EVENT_KINDS.index("click")
# How much an action says about liking a field's value; a dislike takes away what a cart gives.
AFFINITY_WEIGHT: dict[str, float] = {"view": 1.0, "click": 1.0, "cart": 4.0, "order": 8.0, "dislike": -4.0}


class Offer(msgspec.Struct):
    """An explored list as published: with which chance each item was put at its place, for when it is shown."""

    slate_id: str
    policy: str
    model_version: int
    slots: list[int]
    propensities: list[float]
    surface: str


class OpenDwell(msgspec.Struct):
    """The latest heartbeat of a visit; a later one replaces it."""

    at_ms: int
    dwell_ms: int
    is_final: bool = False


class UserState(msgspec.Struct):
    """A user as of the last event applied. Times are event times in ms.

    `decayed` and `affinity` grow forward from their base times (decay.py); `…_at_ms` is their latest event.

    Segments `first_segment` to `next_segment` (left out) of remembered event ids are records of their own.
    """

    user_id: str
    totals: list[int] = msgspec.field(default_factory=lambda: [0] * NUM_TOTALS)
    decayed: list[float] = msgspec.field(default_factory=lambda: [0.0] * NUM_DECAYED)
    decayed_base_ms: int = 0
    decayed_at_ms: int = 0
    num_slates: int = 0
    last_event_ms: int = 0
    session_id: str = ""
    num_session_actions: int = 0
    action_slots: "array[int]" = msgspec.field(default_factory=lambda: array("i"))
    action_kinds: "array[int]" = msgspec.field(default_factory=lambda: array("b"))
    action_at_ms: "array[int]" = msgspec.field(default_factory=lambda: array("q"))
    answers: list[Answers] = msgspec.field(default_factory=list)
    affinity: list[dict[int, float]] = msgspec.field(default_factory=list)
    affinity_base_ms: int = 0
    affinity_at_ms: int = 0
    dwells: dict[str, OpenDwell] = msgspec.field(default_factory=dict)
    price_sum: float = 0.0
    num_prices: int = 0
    offers: list[Offer] = msgspec.field(default_factory=list)
    surfaces: list[str] = msgspec.field(default_factory=list)
    first_segment: int = 0
    next_segment: int = 0

    def touch(self, at_ms: int, session_id: str | None) -> None:
        """Note that the user did something: sessions end by a new id or after half an hour of quiet."""
        is_new_id = bool(session_id) and session_id != self.session_id
        if is_new_id or at_ms - self.last_event_ms > SESSION_GAP_MS:
            self.num_session_actions = 0
        if is_new_id and session_id:
            self.session_id = session_id
        self.num_session_actions += 1
        self.last_event_ms = max(self.last_event_ms, at_ms)

    def note_surface(self, surface: str) -> None:
        """Remember where the user has a list, to take it back when the user is forgotten; the newest 64 are kept."""
        if surface not in self.surfaces:
            self.surfaces.append(surface)
            del self.surfaces[:-MAX_SURFACES]

    def count(self, kind: int, at_ms: int, num: int = 1) -> None:
        """Count `num` events of a kind at an event time."""
        if TOTAL_OF_KIND[kind] >= 0:
            self.totals[TOTAL_OF_KIND[kind]] += num
        self.decayed_base_ms = add_forward(self.decayed, self.decayed_base_ms, kind, at_ms, num)
        self.decayed_at_ms = max(self.decayed_at_ms, at_ms)

    def decayed_values(self) -> list[float]:
        """H x K decayed counters, valid at `decayed_at_ms`."""
        return as_of(self.decayed, self.decayed_base_ms, self.decayed_at_ms)

    def add_answers(self, answers: Answers) -> None:
        """Remember a shown slate; the oldest leave beyond 96 items."""
        self.answers.append(answers)
        while len(self.answers) > 1 and sum(len(a.slots) for a in self.answers) > MAX_ANSWERS:
            del self.answers[0]

    def answer(self, slate_id: str, slot: int, value: int) -> None:
        """Mark an item of a remembered slate as clicked or disliked."""
        for answers in reversed(self.answers):
            if answers.slate_id == slate_id and slot in answers.slots:
                answers.clicked[answers.slots.index(slot)] = value
                return

    def latest_slate_with(self, slot: int, since_ms: int) -> str | None:
        """The slate that an action without slate id belongs to: the newest that showed the item, a clicked first."""
        shown = None
        for answers in reversed(self.answers):
            if answers.at_ms >= since_ms and slot in answers.slots:
                if answers.clicked[answers.slots.index(slot)] > 0:
                    return answers.slate_id
                shown = shown or answers.slate_id
        return shown

    def add_offer(self, offer: Offer) -> None:
        """Remember a published list until it is shown: the newest three of each of the five newest surfaces.

        The oldest leave beyond 1,000 items in all.
        """
        num_of: dict[str, int] = {}
        kept: list[Offer] = []
        room = MAX_OFFERED_ITEMS
        for one in (offer, *reversed(self.offers)):
            num = num_of.get(one.surface, 0)
            room -= len(one.slots)
            if room < 0:
                break
            if num < MAX_OFFERS and (num or len(num_of) < MAX_OFFER_SURFACES):
                num_of[one.surface] = num + 1
                kept.append(one)
        self.offers = kept[::-1]

    def take_offer(self, slate_id: str) -> Offer | None:
        """The offer that is shown now; it is not needed any more."""
        found = next((offer for offer in self.offers if offer.slate_id == slate_id), None)
        if found is not None:
            self.offers.remove(found)
        return found

    def add_action(self, slot: int, kind: int, at_ms: int) -> None:
        """Remember an action; the oldest leaves beyond 50."""
        self.action_slots.append(slot)
        self.action_kinds.append(kind)
        self.action_at_ms.append(at_ms)
        if len(self.action_slots) > MAX_ACTIONS:
            del self.action_slots[0], self.action_kinds[0], self.action_at_ms[0]

    def recently_clicked(self, num: int) -> list[int]:
        """Slots of the latest clicked items, newest first, each once."""
        clicked = [s for s, k in zip(self.action_slots, self.action_kinds, strict=True) if k == CLICK]
        return list(dict.fromkeys(reversed(clicked)))[:num]

    def lean(self, items: CatalogueColumns, slot: int, weight: float, at_ms: int) -> None:
        """Move the affinities towards the item's field values (away for a negative weight)."""
        while len(self.affinity) < len(items.fields.affinity):
            self.affinity.append({})
        self.affinity_at_ms = max(self.affinity_at_ms, at_ms)
        if at_ms - self.affinity_base_ms > AFFINITY_BASE_MS:
            self._move_affinity_base(at_ms)
        weight *= grown(at_ms - self.affinity_base_ms, AFFINITY_HALF_LIFE_MS)
        for value in items.value_ids[slot].tolist():
            held = self.affinity[items.field_index[value]]
            held[value] = held.get(value, 0.0) + weight
            if len(held) > MAX_VALUES_PER_FIELD:
                self.affinity[items.field_index[value]] = _strongest(held, items)

    def _move_affinity_base(self, base_ms: int) -> None:
        kept = grown(self.affinity_base_ms - base_ms, AFFINITY_HALF_LIFE_MS)
        self.affinity = [{value: weight * kept for value, weight in held.items()} for held in self.affinity]
        self.affinity_base_ms = base_ms

    def affinity_left(self, now_ms: int) -> float:
        """What a weight of 1 is worth at `now_ms`, or at the latest event of `affinity` if that is later."""
        return grown(self.affinity_base_ms - max(now_ms, self.affinity_at_ms), AFFINITY_HALF_LIFE_MS)

    def replace_dwell(self, key: str, at_ms: int, dwell_ms: int, *, is_final: bool = False) -> int:
        """Take a heartbeat of a visit; returns by how much the dwell total changes (0 for an older heartbeat).

        Of two heartbeats at the same time the longer one counts, whichever comes first. Beyond 100 visits those that
        ended are forgotten first, then the longest quiet. The total is exact as long as no heartbeat of a forgotten
        visit comes: nothing tells it from the first of a new visit, so its whole dwell is added again.
        """
        before = self.dwells.pop(key, None)
        if before is not None and (before.at_ms, before.dwell_ms, before.is_final) > (at_ms, dwell_ms, is_final):
            self.dwells[key] = before
            return 0
        if len(self.dwells) >= MAX_OPEN_DWELLS:
            ended = (visit for visit, held in self.dwells.items() if held.is_final)
            del self.dwells[next(ended, next(iter(self.dwells)))]
        self.dwells[key] = OpenDwell(at_ms, dwell_ms, is_final)
        delta_ms = dwell_ms - (before.dwell_ms if before else 0)
        self.totals[NUM_TOTALS - 1] += delta_ms
        return delta_ms

    def end_visit(self, key: str, at_ms: int) -> None:
        """A new view or click of the item starts a new visit: dwell after it adds instead of replacing."""
        held = self.dwells.get(key)
        if held is not None and held.at_ms < at_ms:
            del self.dwells[key]


def _strongest(held: dict[int, float], items: CatalogueColumns) -> dict[int, float]:
    """The values with the largest weights, either way, in the order they are held; of equal ones the last by text."""
    sizes = np.abs(np.fromiter(held.values(), np.float64, len(held)))
    least = np.partition(sizes, -KEPT_VALUES)[-KEPT_VALUES]
    kept = dict(compress(held.items(), (sizes >= least).tolist()))
    if len(kept) > KEPT_VALUES:
        equal = [value for value, weight in kept.items() if abs(weight) == least]
        for value in sorted(equal, key=items.values.__getitem__)[: len(kept) - KEPT_VALUES]:
            del kept[value]
    return kept
