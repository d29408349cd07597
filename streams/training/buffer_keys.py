"""Keys of the replay buffer's database. Big-endian numbers, so that the order of keys is the order of the numbers.

A slate's own key starts with its user, so that all slates of a user lie together; lengths come first, as ids are the
site's and may hold any character.
"""

import struct

__all__ = ["META", "QUEUE", "TIME", "head_key", "part_key", "queue_key", "slate_key", "time_key", "time_of"]

META = b"m"
QUEUE = b"q"
TIME = b"t"
_HEAD = b"h"
_PART = b"p"
_LENGTH = struct.Struct(">H")
_NUMBER = struct.Struct(">Q")


def slate_key(user_id: str, slate_id: str) -> bytes:
    """What names a slate inside the other keys."""
    user, slate = user_id.encode(), slate_id.encode()
    return _LENGTH.pack(len(user)) + user + _LENGTH.pack(len(slate)) + slate


def head_key(slate: bytes) -> bytes:
    """Where a slate's labels and bookkeeping lie."""
    return _HEAD + slate


def part_key(slate: bytes, part: int) -> bytes:
    """Where one `shown` record lies."""
    return _PART + slate + _NUMBER.pack(part)


def queue_key(seq: int) -> bytes:
    """Where an entry of the ready queue lies."""
    return QUEUE + _NUMBER.pack(seq)


def time_key(at_ms: int, slate: bytes) -> bytes:
    """Where a slate stands in event time."""
    return TIME + _NUMBER.pack(max(0, at_ms)) + slate


def time_of(key: bytes) -> tuple[int, bytes]:
    """(at_ms, slate) of a time key."""
    start = len(TIME) + _NUMBER.size
    return _NUMBER.unpack(key[len(TIME) : start])[0], key[start:]
