"""What each type of event does to the state: one function per type, called in event order.

An impression captures the features of what it shows before it is counted itself; actions count, move affinities and
label the slate they belong to. A rank request captures the features of its candidates where it stands in the stream.
"""

from collections.abc import Callable, Mapping
from typing import Any

from models.feature_schema import EVENT_KINDS
from models.tasks import CLICK_TASK
from streams.examples.attribution import act, show
from streams.examples.label_windows import next_deadline_ms
from streams.examples.slates import Slate, Waiting, slate_key
from streams.features.answers import Answers
from streams.features.item_features import CLICK_LOGIT
from streams.features.user_state import AFFINITY_WEIGHT
from streams.worker.moment import Moment
from streams.worker.outputs import Forgotten, Trigger
from streams.worker.requests import on_rank
from streams.worker.shown_record import capture_shown, parts, shown_record

__all__ = ["HANDLERS"]

# Items clicked lately that count as co-clicked with a newly clicked one.
CO_CLICKED = 8
# Digits of a click log-odds in the user's record: finer than a rate is known.
LOGIT_DIGITS = 4
# Types after which the user's lists are worth computing again.
TRIGGERS = frozenset({"click", "cart", "order", "dislike"})


def on_impression(now: Moment, event: Mapping[str, Any]) -> None:
    """Items of a slate were seen: capture their features, then count them."""
    state, user, items = now.state, now.user, now.state.items
    shown = event["items"]
    positions: dict[int, int] = {}
    for slot, item in zip(items.slot_list([item["item_id"] for item in shown]), shown, strict=True):
        positions.setdefault(slot, item["position"])
    slate = _slate(now, event["slate_id"], event["surface"])
    is_first, slate.surface = not slate.shown_at_ms, event["surface"]
    offer = user.take_offer(slate.slate_id)
    if offer is not None:
        slate.policy, slate.model_version = offer.policy, offer.model_version
        slate.propensities = dict(zip(offer.slots, offer.propensities, strict=True))
    found = show(slate, list(positions), now.at_ms, state.plan, now.lateness_ms)
    if found.places:
        new = [slate.slots[place] for place in found.places]
        _show(now, slate, new, [positions[slot] for slot in new])
        now.out.counts["shown"] += 1
        _count_shown(now, slate, new, is_first=is_first)
    if found.beyond:
        # Seen all the same: counted, though there is no place left to learn from.
        now.out.counts["slate_full"] += len(found.beyond)
        _count_shown(now, slate, found.beyond, is_first=False)
    user.touch(now.at_ms, event.get("session_id"))
    user.note_surface(event["surface"])
    state.slate_changed(slate)
    if is_first:
        state.deadlines.add(next_deadline_ms(slate, state.plan), slate)
    _labels_changed(now, slate, found.changed)
    state.changed(user)


def _show(now: Moment, slate: Slate, slots: list[int], positions: list[int]) -> None:
    captured = capture_shown(now, slate, slots)
    for number, part in enumerate(parts(now.state.items, slots, captured)):
        slate.num_parts += number > 0
        now.out.example(shown_record(now, slate, slots, positions, captured, part=part))
    logits = [round(logit, LOGIT_DIGITS) for logit in captured.item_NI[:, CLICK_LOGIT].tolist()]
    now.user.add_answers(Answers(slate.slate_id, slate.surface, now.at_ms, slots, bytes(len(slots)), logits))


def _count_shown(now: Moment, slate: Slate, slots: list[int], *, is_first: bool) -> None:
    state, user = now.state, now.user
    state.items.count(state.number, slots, 0, now.at_ms)
    state.items_changed(slots)
    user.count(0, now.at_ms, len(slots))
    user.num_slates += is_first
    for place in slate.labels.get(CLICK_TASK, ()):
        user.answer(slate.slate_id, slate.slots[place], 1)


def on_action(now: Moment, event: Mapping[str, Any]) -> None:
    """A view, click, cart, order or dislike of one item."""
    state, user, items = now.state, now.user, now.state.items
    slot, name = items.slot(event["item_id"]), event["type"]
    kind = EVENT_KINDS.index(name)
    user.touch(now.at_ms, event.get("session_id"))
    user.count(kind, now.at_ms)
    items.count_one(state.number, slot, kind, now.at_ms)
    state.items_changed([slot])
    if name in {"click", "view"}:
        user.end_visit(_visit(event), now.at_ms)
    if name == "click":
        _count_click(now, slot)
    user.lean(items, slot, AFFINITY_WEIGHT[name], now.at_ms)
    user.add_action(slot, kind, now.at_ms)
    slate = _attribute(now, event, slot)
    if slate is not None and name in {"click", "dislike"}:
        user.answer(slate.slate_id, slot, 1 if name == "click" else -1)
    state.changed(user)
    refreshed = now.settings.ranking.surfaces
    if name in TRIGGERS and refreshed:
        surfaces = dict.fromkeys([*refreshed, *([slate.surface] if slate else [])])
        now.out.triggers += [Trigger(user.user_id, surface, now.appended_at_ms) for surface in surfaces if surface]


def _count_click(now: Moment, slot: int) -> None:
    state, user = now.state, now.user
    others = [other for other in user.recently_clicked(CO_CLICKED) if other != slot]
    state.items.add_co_click(state.number, slot, others, now.at_ms)
    state.items_changed(others)
    price = float(state.items.price[slot])
    if price == price:  # noqa: PLR0124 - NaN: no price is known
        user.price_sum += price
        user.num_prices += 1


def on_dwell(now: Moment, event: Mapping[str, Any]) -> None:
    """A heartbeat of a visit: it replaces the one before."""
    state, user = now.state, now.user
    slot = state.items.slot(event["item_id"])
    user.touch(now.at_ms, event.get("session_id"))
    dwell_ms, is_final = round(event["dwell_s"] * 1000), event.get("is_final", True)
    delta_ms = user.replace_dwell(_visit(event), now.at_ms, dwell_ms, is_final=is_final)
    state.items.add_dwell(state.number, slot, delta_ms, now.at_ms)
    state.items_changed([slot])
    _attribute(now, event, slot)
    state.changed(user)


def on_cancel(now: Moment, event: Mapping[str, Any]) -> None:
    """An order was taken back: totals and its own label stay; it is what tasks of cancelled orders learn from."""
    now.user.touch(now.at_ms, event.get("session_id"))
    _attribute(now, event, now.state.items.slot(event["item_id"]))
    now.state.changed(now.user)


def on_search(now: Moment, event: Mapping[str, Any]) -> None:
    """Words were typed: the session goes on. A list for them is asked for by a rank request."""
    now.user.touch(now.at_ms, event.get("session_id"))
    now.state.changed(now.user)


def on_forget(now: Moment, event: Mapping[str, Any]) -> None:  # noqa: ARG001 - all handlers are called alike
    """Remove the user from the state; rows, lists and what the trainer holds follow."""
    surfaces = dict.fromkeys([*now.settings.ranking.surfaces, *now.user.surfaces])
    at_ms = now.state.forget(now.user, now.at_ms)
    now.out.forget(Forgotten(now.user.user_id, tuple(surfaces), at_ms))


def _visit(event: Mapping[str, Any]) -> str:
    return f"{event.get('slate_id', '')}\0{event['item_id']}"


def _slate(now: Moment, slate_id: str, surface: str) -> Slate:
    found = now.state.slates.get(slate_key(now.user.user_id, slate_id))
    if found is None:
        found = Slate(now.user.user_id, slate_id, now.at_ms, surface)
        now.state.slate_changed(found)
    return found


def _attribute(now: Moment, event: Mapping[str, Any], slot: int) -> Slate | None:
    """Label the slate that the action belongs to: the one it names, else the latest that showed the item."""
    longest_ms = now.state.plan.longest_ms(event["type"])
    if longest_ms is None:
        return None
    slate_id = event.get("slate_id") or now.user.latest_slate_with(slot, now.at_ms - longest_ms)
    if slate_id is None:
        return None
    slate = _slate(now, slate_id, "")
    if not slate.shown_at_ms and not slate.waiting:
        now.state.deadlines.add(next_deadline_ms(slate, now.state.plan), slate)
    action = Waiting(event["type"], slot, now.at_ms, float(event.get("dwell_s", 0.0)), event.get("is_final", True))
    sent = {*slate.closed, *slate.revisions}
    _labels_changed(now, slate, act(slate, action, now.state.plan, now.lateness_ms, among=sent))
    now.state.slate_changed(slate)
    return slate


def _labels_changed(now: Moment, slate: Slate, tasks: set[str]) -> None:
    """Labels that were sent are sent again; others wait for their time."""
    if not tasks:
        return
    for task in sorted(tasks & {*slate.closed, *slate.revisions}):
        record = now.state.labels(slate, task, now.watermark_ms)
        if record is not None:
            now.out.example(record)
            now.out.counts[f"corrected_{task}"] += 1


HANDLERS: Mapping[str, Callable[[Moment, Mapping[str, Any]], None]] = {
    "impression": on_impression,
    "view": on_action,
    "click": on_action,
    "cart": on_action,
    "order": on_action,
    "dislike": on_action,
    "dwell": on_dwell,
    "cancel": on_cancel,
    "search": on_search,
    "rank": on_rank,
    "forget": on_forget,
}
