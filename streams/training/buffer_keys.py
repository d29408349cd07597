"""Keys of the replay buffer's database. Big-endian numbers, so that the order of keys is the order of the numbers.

A slate's own key starts with its user, so that all slates of a user lie together; lengths come first, as ids are the
site's and may hold any character.
"""

import struct

__all__ = [
    "CONTENT",
    "META",
    "QUEUE",
    "TIME",
    "content_key",
    "content_of_key",
    "head_key",
    "heads_of",
    "part_key",
    "queue_key",
    "slate_key",
    "time_key",
    "time_of",
]

CONTENT = b"c"
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


def heads_of(user_id: str) -> bytes:
    """What the head keys of all slates of a user start with."""
    user = user_id.encode()
    return _HEAD + _LENGTH.pack(len(user)) + user


def part_key(slate: bytes, part: int) -> bytes:
    """Where one `shown` record lies."""
    return _PART + slate + _NUMBER.pack(part)


def queue_key(seq: int) -> bytes:
    """Where an entry of the ready queue lies."""
    return QUEUE + _NUMBER.pack(seq)


def content_key(schema: str, item_id: str) -> bytes:
    """Where what is known of an item lies, as a feature schema (by its hash) has it."""
    return CONTENT + _LENGTH.pack(len(schema)) + schema.encode() + item_id.encode()


def content_of_key(key: bytes) -> tuple[str, str]:
    """(schema, item) of a content key."""
    start = len(CONTENT) + _LENGTH.size
    end = start + _LENGTH.unpack(key[len(CONTENT) : start])[0]
    return key[start:end].decode(), key[end:].decode()


def time_key(at_ms: int, slate: bytes) -> bytes:
    """Where a slate stands in event time."""
    return TIME + _NUMBER.pack(max(0, at_ms)) + slate


def time_of(key: bytes) -> tuple[int, bytes]:
    """(at_ms, slate) of a time key."""
    start = len(TIME) + _NUMBER.size
    return _NUMBER.unpack(key[len(TIME) : start])[0], key[start:]
