"""The bytes of a stored feature row, built for a whole batch at once.

A record is a header (event time, write time, layout) and Feast's `RepeatedValue` message of all features in order, so
any reader parses it with Feast's own classes. Building it from arrays instead of one message object per value is what
makes a row cheap: integers are written as varints padded to the widest of their column (protobuf reads those as it
reads short ones), so numbers form one fixed-width matrix; lists follow row by row. A test compares with Feast's path.
"""

import hashlib
import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.features.rows import Column, RowBatch

__all__ = ["HEADER_BYTES", "encode_records", "event_times_us", "layout_id", "pack_header", "unpack_header"]

# event time and write time in microseconds since the epoch (Feast's resolution), layout id.
_HEADER = struct.Struct("<qq8s")
HEADER_BYTES = _HEADER.size
_NEVER = struct.pack("<q", -(1 << 63))
# Field numbers and wire types of feast/types/Value.proto: RepeatedValue.val = 1; Value.int64_val = 4, double_val = 5,
# string_list_val = 12, float_list_val = 16; every list message has val = 1.
_ENTRY, _INT64, _DOUBLE = 0x0A, 0x20, 0x29
_STRING_LIST, _FLOAT_LIST = b"\x62", b"\x82\x01"
# A varint holds seven bits a byte, the lowest first, and says whether another byte follows.
_LOW_BITS, _MORE = 0x7F, 0x80
_CACHED_STRINGS = 1 << 17


def layout_id(names: Sequence[str]) -> bytes:
    """8 bytes that stand for an ordered list of feature names in a record."""
    return hashlib.sha256("\n".join(names).encode()).digest()[:8]


def pack_header(event_at_us: int, created_at_us: int, layout: bytes) -> bytes:
    """The first `HEADER_BYTES` of a record."""
    return _HEADER.pack(event_at_us, created_at_us, layout)


def unpack_header(record: bytes) -> tuple[int, int, bytes]:
    """Event time and write time in microseconds, and the layout id."""
    event_at_us, created_at_us, layout = _HEADER.unpack_from(record)
    return event_at_us, created_at_us, layout


def event_times_us(records: Sequence[bytes | None]) -> NDArray[np.int64]:
    """int64[n] event times; the earliest possible one where there is no record."""
    return np.frombuffer(b"".join([_NEVER if record is None else record[:8] for record in records]), "<i8")


def encode_records(columns: Sequence[Column], batch: RowBatch, created_at_ms: int) -> list[bytes]:
    """The n records of a batch, features in the order of `columns` (numbers before lists)."""
    header = np.zeros((len(batch), HEADER_BYTES), np.uint8)
    header[:, :8] = (batch.event_at_ms.astype("<i8") * 1000).view(np.uint8).reshape(-1, 8)
    header[:, 8:16] = np.frombuffer(struct.pack("<q", created_at_ms * 1000), np.uint8)
    header[:, 16:] = np.frombuffer(layout_id([column.name for column in columns]), np.uint8)
    numbers = [_number_bytes(column, batch.columns[column.name]) for column in columns if not _is_list(column)]
    fixed = np.concatenate([header, *numbers], axis=1)
    lists = [_list_bytes(column, batch.columns[column.name]) for column in columns if _is_list(column)]
    heads: list[bytes] = fixed.view(f"V{fixed.shape[1]}").ravel().tolist()
    return [b"".join(parts) for parts in zip(heads, *lists, strict=True)]


def _is_list(column: Column) -> bool:
    return column.kind.endswith("_list")


def _number_bytes(column: Column, values: NDArray[Any]) -> NDArray[np.uint8]:
    return _double_bytes(values) if column.kind == "float64" else _varint_bytes(values)


def _double_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    entry = np.empty((len(values), 11), np.uint8)
    entry[:, 0], entry[:, 1], entry[:, 2] = _ENTRY, 9, _DOUBLE
    entry[:, 3:] = np.ascontiguousarray(values, "<f8").view(np.uint8).reshape(-1, 8)
    return entry


def _varint_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    raw = np.ascontiguousarray(values, np.int64).view(np.uint64)
    width = max(1, -(-int(raw.max(initial=0)).bit_length() // 7))
    entry = np.empty((len(raw), 3 + width), np.uint8)
    entry[:, 0], entry[:, 1], entry[:, 2] = _ENTRY, 1 + width, _INT64
    for place in range(width):
        more = _MORE if place < width - 1 else 0
        entry[:, 3 + place] = (raw >> np.uint64(7 * place)).astype(np.uint8) & _LOW_BITS | more
    return entry


def _list_bytes(column: Column, rows: Sequence[Sequence[Any]]) -> list[bytes]:
    if column.kind == "string_list":
        payloads = [b"".join(map(_STRINGS.__getitem__, row)) for row in rows]
        return [_list_head(_STRING_LIST, len(payload)) + payload for payload in payloads]
    return _float_list_bytes(rows)


def _float_list_bytes(rows: Sequence[Sequence[float]]) -> list[bytes]:
    ends = list(accumulate(map(len, rows), initial=0))
    if rows and isinstance(rows[0], np.ndarray):
        flat = np.concatenate(rows).astype("<f4")
    else:
        flat = np.fromiter(chain.from_iterable(rows), "<f4", count=ends[-1])
    data = flat.tobytes()
    return [_float_list_head(end - start) + data[4 * start : 4 * end] for start, end in pairwise(ends)]


@lru_cache(maxsize=1 << 14)
def _list_head(tag: bytes, num_bytes: int) -> bytes:
    inner = tag + _varint(num_bytes)
    return bytes([_ENTRY]) + _varint(len(inner) + num_bytes) + inner


@lru_cache(maxsize=1 << 10)
def _float_list_head(num: int) -> bytes:
    packed = bytes([_ENTRY]) + _varint(4 * num) if num else b""
    inner = _FLOAT_LIST + _varint(len(packed) + 4 * num) + packed
    return bytes([_ENTRY]) + _varint(len(inner) + 4 * num) + inner


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > _LOW_BITS:
        out.append(number & _LOW_BITS | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


class _StringEntries(dict[str, bytes]):
    """The entry of a string in a list message. Ids repeat all the time; the cache starts again when it is full."""

    def __missing__(self, text: str) -> bytes:
        if len(self) >= _CACHED_STRINGS:
            self.clear()
        raw = text.encode()
        self[text] = entry = bytes([_ENTRY]) + _varint(len(raw)) + raw
        return entry


_STRINGS = _StringEntries()
