"""Who was forgotten lately, and when, by a hash of the id: so that what was known before does not come back.

An event of the user that happened before (sent late, or sent twice) is refused for 30 days of event time; a later one
starts a new user. The id itself is kept only while Parquet history may still hold rows of the user: a worker that is
killed meanwhile finds here whom to erase.
"""

import hashlib

import msgspec

from streams.features.state_store import Record, StateStore

__all__ = ["ForgottenUsers", "forgotten_key"]

FORGOTTEN = b"f:"
HORIZON_MS = 30 * 86_400_000


class Forgotten(msgspec.Struct, array_like=True, frozen=True):
    """`at_ms`: event time up to which everything of the user is gone. `user_id`: empty once history is erased too."""

    at_ms: int
    user_id: str


_RECORD = msgspec.json.Decoder(Forgotten)


def forgotten_key(user_id: str) -> bytes:
    """Where a partition's state, and its changelog, remember that the user was forgotten."""
    return FORGOTTEN + _hashed(user_id)


class ForgottenUsers:
    """Of one partition; all in memory, some 200 bytes each."""

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._held: dict[bytes, Forgotten] = {}
        self._changed: set[bytes] = set()

    def load(self) -> None:
        """Take over what the store holds."""
        self._held = {hashed: _RECORD.decode(raw) for hashed, raw in self._store.scan(FORGOTTEN)}

    def is_of_before(self, user_id: str, at_ms: int, now_ms: int) -> bool:
        """Whether an event of the user belongs to what was forgotten. `now_ms`: the partition's clock."""
        if not self._held:
            return False
        found = self._held.get(_hashed(user_id))
        return found is not None and at_ms <= found.at_ms and now_ms < found.at_ms + HORIZON_MS

    def add(self, user_id: str, at_ms: int) -> None:
        """The user was forgotten with all that happened up to `at_ms`."""
        self._put(_hashed(user_id), Forgotten(at_ms, user_id))

    def with_history(self) -> dict[str, int]:
        """Users whose history may not be erased yet, and up to when it has to be."""
        return {found.user_id: found.at_ms for found in self._held.values() if found.user_id}

    def history_erased(self, up_to_ms: dict[str, int]) -> None:
        """The history of these users is gone up to these times: their ids need not be known any more."""
        for user_id, at_ms in up_to_ms.items():
            found = self._held.get(_hashed(user_id))
            if found is not None and found.at_ms <= at_ms:
                self._put(_hashed(user_id), Forgotten(found.at_ms, ""))

    def drain(self, now_ms: int) -> list[Record]:
        """Changes since the last drain as records; what is beyond the horizon leaves."""
        old = [h for h, found in self._held.items() if now_ms >= found.at_ms + HORIZON_MS and not found.user_id]
        for hashed in old:
            del self._held[hashed]
        changed = sorted(self._changed.difference(old))
        self._changed = set()
        records: list[Record] = [(FORGOTTEN + hashed, msgspec.json.encode(self._held[hashed])) for hashed in changed]
        return records + [(FORGOTTEN + hashed, None) for hashed in sorted(old)]

    def _put(self, hashed: bytes, record: Forgotten) -> None:
        self._held[hashed] = record
        self._changed.add(hashed)


def _hashed(user_id: str) -> bytes:
    return hashlib.sha256(user_id.encode()).hexdigest().encode()
