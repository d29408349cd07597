"""What the compacted topics hold of one user: fed with their records, it knows which keys are alive. Pure."""

from collections.abc import Iterable, Sequence

import msgspec
from aiokafka.structs import ConsumerRecord

from streams.features.forgotten_users import Forgotten, forgotten_key
from streams.ranking.record import ranking_key
from streams.worker.partition_state import IDS, SLATE, USER

__all__ = ["ListTraces", "StateTraces"]

Records = Sequence[ConsumerRecord[bytes, bytes]]
_FORGOTTEN = msgspec.json.Decoder(Forgotten)


class _SurfacesOnly(msgspec.Struct):
    surfaces: list[str] = msgspec.field(default_factory=list)


_USER = msgspec.json.Decoder(_SurfacesOnly)


class StateTraces:
    """The user's records on one partition of `state-changelog`. `take` is fed with all of its records, in order.

    `surfaces`: where the user has, or had, a list.
    """

    def __init__(self, user_id: str) -> None:
        user = user_id.encode()
        self._user_key, self._forgotten_key = USER + user, forgotten_key(user_id)
        self._prefixes = (SLATE + user + b"\0", IDS + user + b"\0")
        self._alive: set[bytes] = set()
        self._forgotten: Forgotten | None = None
        self.surfaces: dict[str, None] = {}

    @property
    def num_alive(self) -> int:
        """Records that hold something of the user."""
        return len(self._alive)

    def take(self, _: int, records: Records) -> None:
        """Take records of the partition."""
        for record in records:
            key = record.key or b""
            if key == self._forgotten_key:
                self._forgotten = _FORGOTTEN.decode(record.value) if record.value else None
            elif key == self._user_key or key.startswith(self._prefixes):
                self._take(key, record.value)

    def _take(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._alive.discard(key)
            return
        if key == self._user_key:
            # A user who came back has lists of the present life alone.
            self.surfaces = self.surfaces if key in self._alive else {}
            self.surfaces.update(dict.fromkeys(_USER.decode(value).surfaces))
        self._alive.add(key)

    @property
    def forgotten_up_to_ms(self) -> int | None:
        """Up to when the worker says that all of the user is gone, history included; None: it does not say so."""
        found = self._forgotten
        return None if found is None or found.user_id else found.at_ms


class ListTraces:
    """The user's lists on `rankings`: fed with what came since the user was to be forgotten."""

    def __init__(self, user_id: str) -> None:
        self._user_id = user_id
        self._is_gone: dict[bytes, bool] = {}

    def take(self, _: int, records: Records) -> None:
        """Take records of any partition."""
        start = ranking_key(self._user_id, "")
        for record in records:
            if record.key and record.key.startswith(start):
                self._is_gone[record.key] = record.value is None

    def found_and_left(self, surfaces: Iterable[str]) -> tuple[int, int]:
        """How many lists there were, and how many were not taken back. `surfaces`: where there is known to be one."""
        known = {ranking_key(self._user_id, surface) for surface in surfaces}
        keys = known | self._is_gone.keys()
        return len(keys), sum(not self._is_gone.get(key, False) for key in keys)
