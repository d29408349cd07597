"""A live run beside a straight one: features value by value, final labels, users' state, totals. Pure but for stores.

Lists are joined by user, slate and part; of a list sent twice the first counts, of labels the highest revision. Lists
under way (offers) depend on when and by which model they were ranked, so they are no part of a user's state here.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from models.feature_schema import FeatureSchema
from streams.examples.records import Labels, Shown, decode_array, decode_record, encode_record
from streams.features.skew import FeatureSkew
from streams.features.state_store import StateStore

__all__ = ["Compared", "ExampleCheck", "compare_states"]

SHOWN, LABELS, LIVE_LABELS = b"s:", b"a:", b"l:"
_LABELS_SAY = ("items", "values", "censored", "is_closed")
_DECODE = msgspec.json.decode
MAX_EXAMPLES = 3


@dataclass(slots=True)
class Compared:
    """Things of one kind on both sides. `examples`: keys of the first that differ."""

    live: int = 0
    straight: int = 0
    equal: int = 0
    examples: list[str] = field(default_factory=list)

    def see(self, key: str, live: object, straight: object) -> None:
        """Count one; None: not there."""
        self.live += live is not None
        self.straight += straight is not None
        if live == straight:
            self.equal += 1
        elif len(self.examples) < MAX_EXAMPLES:
            self.examples.append(key)

    @property
    def is_equal(self) -> bool:
        """Both sides have the same."""
        return self.live == self.straight == self.equal

    def to_json(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


class ExampleCheck:
    """Training records of a live run first, then those of a straight run; kept on disk meanwhile."""

    def __init__(self, schema: FeatureSchema, folder: Path) -> None:
        self._store = StateStore(folder)
        self._schema = schema
        self.skews = [FeatureSkew(names) for names in (schema.user, schema.item, schema.cross)]
        self.lists, self.labels = Compared(), Compared()

    def take_live(self, raws: Iterable[bytes]) -> None:
        """Records of `training-examples`, in order of their topic."""
        for raw in raws:
            record = decode_record(raw)
            if not isinstance(record, (Shown, Labels)):
                continue
            key = _key(SHOWN if isinstance(record, Shown) else LIVE_LABELS, record)
            held = self._store.get(key)
            if held is None or (isinstance(record, Labels) and record.revision > _revision(held)):
                self._store.write([(key, raw)])

    def take_straight(self, record: Shown | Labels) -> None:
        """One record of the straight run."""
        if isinstance(record, Labels):
            self._store.write([(_key(LABELS, record), encode_record(record))])
            return
        key = _key(SHOWN, record)
        raw = self._store.get(key)
        live = None if raw is None else decode_record(raw)
        if isinstance(live, Shown):
            self._compare(live, record)
            self._store.write([(key, None)])
        else:
            self.lists.see(record.slate_id, None, record.items)

    def _compare(self, live: Shown, straight: Shown) -> None:
        self.lists.see(live.slate_id, (live.items, live.positions), (straight.items, straight.positions))
        if live.items == straight.items:
            for skew, name in zip(self.skews, ("user", "item", "cross"), strict=True):
                skew.add(*(decode_array(getattr(one, name), len(skew.names)) for one in (live, straight)))

    def close(self) -> None:
        """Count what the straight run did not give, compare the labels, release the folder."""
        for key, _ in self._store.scan(SHOWN):
            self.lists.see(_words(key), key, None)
        live, straight = dict(self._store.scan(LIVE_LABELS)), dict(self._store.scan(LABELS))
        for key in sorted(live.keys() | straight.keys()):
            self.labels.see(_words(key), _said(live.get(key)), _said(straight.get(key)))
        self._store.close()


def compare_states(live: StateStore, straight: StateStore, users: Compared, totals: Compared) -> None:
    """Add one partition's users, and what it has counted per item."""
    for prefix, compared, said in ((b"u:", users, _user), (b"i:", totals, _totals)):
        keys = {key for store in (live, straight) for key, _ in store.scan(prefix)}
        for key in sorted(keys):
            sides = (store.get(prefix + key) for store in (live, straight))
            compared.see(_words(key), *(None if raw is None else said(_DECODE(raw)) for raw in sides))


def _user(record: dict[str, Any]) -> dict[str, Any]:
    """A user's state. The click log-odds beside its answers are item features, and counted as such where shown."""
    answers = [answer[:-1] for answer in record["answers"]]
    return {**record, "answers": answers, "offers": []}


def _totals(record: dict[str, Any]) -> object:
    return record["totals"]


def _key(prefix: bytes, record: Shown | Labels) -> bytes:
    last = str(record.part) if isinstance(record, Shown) else record.task
    return prefix + f"{record.user_id}\0{record.slate_id}\0{last}".encode()


def _words(key: bytes) -> str:
    return key.decode().replace("\0", " ")


def _revision(raw: bytes) -> int:
    return int(_DECODE(raw)["revision"])


def _said(raw: bytes | None) -> object:
    return None if raw is None else [_DECODE(raw).get(name) for name in _LABELS_SAY]
