"""Objects of one kind in a partition's state: loaded when first asked for, remembered, drained when changed.

A changed object stays in memory until it was drained to a write; clean ones leave in order of last use beyond a limit.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from streams.features.state_store import Record, StateStore

__all__ = ["StateTable"]

T = TypeVar("T")


class StateTable(Generic[T]):
    """Objects by key. `decode` and `encode` turn an object from and into its record."""

    def __init__(
        self, store: StateStore, prefix: bytes, decode: Callable[[bytes], T], encode: Callable[[T], bytes]
    ) -> None:
        self._store, self._prefix, self._decode, self._encode = store, prefix, decode, encode
        self._held: OrderedDict[str, T] = OrderedDict()
        self._dirty: set[str] = set()
        self._deleted: set[str] = set()
        self._deleting: set[str] = set()  # drained, not yet on disk

    def get(self, key: str) -> T | None:
        """The object, from memory or disk; None when there is none."""
        found = self._held.get(key)
        if found is not None:
            self._held.move_to_end(key)
            return found
        if key in self._deleted or key in self._deleting:
            return None
        raw = self._store.get(self._prefix + key.encode())
        if raw is None:
            return None
        found = self._held[key] = self._decode(raw)
        return found

    def put(self, key: str, value: T) -> None:
        """Add or replace an object, or note that it was changed in place."""
        self._held[key] = value
        self._held.move_to_end(key)
        self._dirty.add(key)
        self._deleted.discard(key)
        self._deleting.discard(key)

    def holds(self, key: str) -> bool:
        """Whether the object is in memory."""
        return key in self._held

    def held_keys(self, prefix: str) -> list[str]:
        """Keys in memory that start with a prefix: with those on disk, all there are."""
        return [key for key in self._held if key.startswith(prefix)]

    def delete(self, key: str) -> None:
        """Remove an object."""
        self._held.pop(key, None)
        self._dirty.discard(key)
        self._deleted.add(key)

    def drain(self) -> list[Record]:
        """Records of all changes since the last drain, in order of the keys; the caller writes them before the next."""
        changed = sorted(self._dirty)
        records: list[Record] = [(self._prefix + key.encode(), self._encode(self._held[key])) for key in changed]
        records += [(self._prefix + key.encode(), None) for key in sorted(self._deleted)]
        self._dirty, self._deleting, self._deleted = set(), self._deleted, set()
        return records

    def written(self) -> None:
        """The drained records are on disk: deleted keys need no memory any more."""
        self._deleting = set()

    def evict(self, limit: int) -> None:
        """Drop clean objects, longest unused first, down to `limit`; call it only when nothing drained is unwritten."""
        for key in list(self._held):
            if len(self._held) <= limit:
                return
            if key not in self._dirty:
                del self._held[key]
