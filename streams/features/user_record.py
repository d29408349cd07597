"""A user's record on disk and on the changelog: JSON with item ids and field values as text, for any worker to read."""

from array import array
from collections.abc import Sequence
from typing import Any

import msgspec

from streams.features.answers import Answers
from streams.features.catalogue import CatalogueColumns
from streams.features.user_state import Offer, OpenDwell, UserState

__all__ = ["decode_user", "encode_user"]

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder()


def encode_user(user: UserState, items: CatalogueColumns) -> bytes:
    """JSON with item ids and field values as text."""
    ids = items.item_ids
    record: dict[str, Any] = msgspec.structs.asdict(user)
    record["action_slots"] = [ids[slot] for slot in user.action_slots]
    record["action_kinds"], record["action_at_ms"] = user.action_kinds.tolist(), user.action_at_ms.tolist()
    record["answers"] = [
        (a.slate_id, a.surface, a.at_ms, [ids[slot] for slot in a.slots], a.clicked.tolist(), a.logits.tolist())
        for a in user.answers
    ]
    record["offers"] = [
        (o.slate_id, o.policy, o.model_version, [ids[slot] for slot in o.slots], o.propensities, o.surface)
        for o in user.offers
    ]
    record["affinity"] = {
        name: [(items.values[value], weight) for value, weight in held.items()]
        for name, held in zip(items.fields.affinity, user.affinity, strict=False)
        if held
    }
    return _ENCODER.encode(record)


def decode_user(raw: bytes, items: CatalogueColumns) -> UserState:
    """The user of `encode_user`; affinities to fields that are no longer declared are left out."""
    record: dict[str, Any] = _DECODER.decode(raw)
    record["action_slots"] = array("i", items.slot_list(record["action_slots"]))
    record["action_kinds"] = array("b", record["action_kinds"])
    record["action_at_ms"] = array("q", record["action_at_ms"])
    record["answers"] = [
        Answers(slate_id, surface, at_ms, items.slot_list(shown), clicked, logits)
        for slate_id, surface, at_ms, shown, clicked, logits in record["answers"]
    ]
    record["offers"] = [
        Offer(slate_id, policy, version, items.slot_list(shown), chances, surface)
        for slate_id, policy, version, shown, chances, surface in record["offers"]
    ]
    record["affinity"] = [
        _values(items, index, record["affinity"].get(name, ())) for index, name in enumerate(items.fields.affinity)
    ]
    record["dwells"] = {key: OpenDwell(**held) for key, held in record["dwells"].items()}
    return UserState(**record)


def _values(items: CatalogueColumns, field: int, held: Sequence[tuple[str, float]]) -> dict[int, float]:
    return {items.value_id(field, text): weight for text, weight in held}
