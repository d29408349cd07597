"""A slate: a list some user was shown (or will be, once ranked), its labels so far, and what was sent about it.

Labels are kept sparse, by place in the slate. Places are in order of first sight; a later impression adds places.
"""

from typing import Any

import msgspec

from streams.features.catalogue import CatalogueColumns

__all__ = ["Slate", "Waiting", "decode_slate", "encode_slate", "slate_key"]


class Waiting(msgspec.Struct, array_like=True):
    """An action that came before the impression it belongs to."""

    type: str
    slot: int
    at_ms: int
    dwell_s: float = 0.0
    is_final: bool = True


class Slate(msgspec.Struct, omit_defaults=True):
    """One slate of one user. Times are event times in ms; `shown_at_ms` is 0 until the impression comes.

    `labels[task][place]`: 1, or seconds of a visit, as events gave them; the label itself is label_plan.py's to say.
    `decided_at_ms[task][place]`: time of the event that counts, where a later one replaces it.
    `open_visits[task]`: places whose last heartbeat was not final. `closed`: tasks whose window is over.
    `revisions[task]`: number of the last labels sent. `relevance`: of the rank request, by slot.
    """

    user_id: str
    slate_id: str
    created_at_ms: int
    surface: str = ""
    shown_at_ms: int = 0
    num_parts: int = 0
    slots: list[int] = msgspec.field(default_factory=list)
    labels: dict[str, dict[int, float]] = msgspec.field(default_factory=dict)
    decided_at_ms: dict[str, dict[int, int]] = msgspec.field(default_factory=dict)
    open_visits: dict[str, list[int]] = msgspec.field(default_factory=dict)
    closed: list[str] = msgspec.field(default_factory=list)
    revisions: dict[str, int] = msgspec.field(default_factory=dict)
    waiting: list[Waiting] = msgspec.field(default_factory=list)
    query: str = ""
    relevance: dict[int, float] = msgspec.field(default_factory=dict)
    policy: str = "score"
    propensities: dict[int, float] = msgspec.field(default_factory=dict)
    model_version: int = 0

    @property
    def key(self) -> str:
        """Key of the state record."""
        return slate_key(self.user_id, self.slate_id)


def slate_key(user_id: str, slate_id: str) -> str:
    """Slate ids are the site's; two users may be given the same one."""
    return f"{user_id}\0{slate_id}"


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(dict[str, Any])


def encode_slate(slate: Slate, items: CatalogueColumns) -> bytes:
    """JSON with item ids instead of slots, and without what is as in a new slate."""
    ids = items.item_ids
    return _ENCODER.encode(
        msgspec.structs.replace(
            slate,
            slots=[ids[slot] for slot in slate.slots],
            waiting=[(w.type, ids[w.slot], w.at_ms, w.dwell_s, w.is_final) for w in slate.waiting],
            relevance={ids[slot]: value for slot, value in slate.relevance.items()},
            propensities={ids[slot]: value for slot, value in slate.propensities.items()},
        )
    )


def decode_slate(raw: bytes, items: CatalogueColumns) -> Slate:
    """The slate of `encode_slate`."""
    record = _DECODER.decode(raw)
    record["slots"] = items.slot_list(record.get("slots", ()))
    record["waiting"] = [Waiting(w[0], items.slot(w[1]), *w[2:]) for w in record.get("waiting", ())]
    for name in ("relevance", "propensities"):
        record[name] = {items.slot(item_id): value for item_id, value in record.get(name, {}).items()}
    for name in ("labels", "decided_at_ms"):
        held = record.get(name, {})
        record[name] = {task: {int(place): value for place, value in of.items()} for task, of in held.items()}
    return Slate(**record)
