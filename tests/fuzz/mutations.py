"""What goes wrong with a record on its way: one function per kind of damage, of bytes or of the JSON inside.

Each takes the random source and a record, and gives bytes. Ids that it makes up come from a small pool, so that a long
run meets few new ones.
"""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

__all__ = ["BYTES", "VALUES", "damaged", "mutate"]

HUGE = "<huge>"
RAW: dict[str, bytes] = {
    HUGE: b"9" * 4299,
    "<beyond>": b"9" * 5000,
    "<e999>": b"1e999",
    "<NaN>": b"NaN",
    "<Infinity>": b"-Infinity",
    "<surrogate>": b'"\\ud800"',
    "<nul>": b'"a\\u0000b"',
    "<deep>": b"[" * 150 + b"]" * 150,
    "<deeper>": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "<not utf8>": b'"\xff\xfe\xc3\x28"',
    "<minus zero>": b"-0",
    "<exponent>": b"1E3",
}
MAX_MS = 2**53 - 1
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 0.5, -0.0, 2**31, 2**53, 2**63, 2**64, 1e308, 5e-324, MAX_MS,
    "", " ", "0", "1", "x" * 256, "x" * 257, "\u00e9" * 128, "\u00e9" * 129, "\x01" * 256, "\U0001f600", "\ufeff",
    "a|b", "a\tb", "__proto__", "x" * 300_000, [], {}, [None], [[]], [{}], {"a": {"b": []}}, [0] * 501, ["i1"] * 500,
    [{}] * 5000, 946_684_799_999, 946_684_800_000, 4_102_444_800_000, *RAW,
)  # fmt: skip
MADE_UP = [*map("i{}".format, range(70)), *map("new{}".format, range(30))]


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value[:20]))
    else:
        inner = []
    for key, one in inner:
        yield (*path, key)
        yield from _places(one, (*path, key))


def _written(record: Any) -> bytes:
    text = json.dumps(record).encode()
    if b'"<' not in text:
        return text
    for name, raw in RAW.items():
        text = text.replace(json.dumps(name).encode(), raw)
    return text


def _edit(random: Random, raw: bytes, change: Callable[[Any, Any], None]) -> bytes:
    """`change` a random place of the record inside; bytes that are no JSON stay as they are."""
    try:
        record = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    places = list(_places(record))
    if not places:
        return raw
    path = random.choice(places)
    holder = record
    for key in path[:-1]:
        holder = holder[key]
    change(holder, path[-1])
    return _written(record)


def other_value(random: Random, raw: bytes) -> bytes:
    return _edit(random, raw, lambda holder, key: holder.__setitem__(key, random.choice(VALUES)))


def value_left_out(random: Random, raw: bytes) -> bytes:
    return _edit(random, raw, lambda holder, key: holder.pop(key))


def other_id(random: Random, raw: bytes) -> bytes:
    return _edit(random, raw, lambda holder, key: holder.__setitem__(key, random.choice(MADE_UP)))


def other_time(random: Random, raw: bytes) -> bytes:
    hour_ms = 3_600_000
    steps = [1, -1, 5000, -60_000, hour_ms, -hour_ms, 24 * hour_ms, 25 * hour_ms, -9000 * hour_ms, 10**15, -(10**15)]

    def move(holder: Any, key: Any) -> None:
        if isinstance(holder, dict) and isinstance(holder.get("occurred_at_ms"), int):
            holder["occurred_at_ms"] += random.choice(steps)

    return _edit(random, raw, move)


def repeated_entries(random: Random, raw: bytes) -> bytes:
    def repeat(holder: Any, key: Any) -> None:
        if isinstance(holder[key], list):
            holder[key] = holder[key] * random.choice([0, 2, 51, 600])
        elif isinstance(holder, list):
            holder.extend([holder[key]] * random.choice([1, 499, 5000]))

    return _edit(random, raw, repeat)


def shuffled_entries(random: Random, raw: bytes) -> bytes:
    def shuffle(holder: Any, key: Any) -> None:
        if isinstance(holder[key], list):
            random.shuffle(holder[key])

    return _edit(random, raw, shuffle)


def wrapped(random: Random, raw: bytes) -> bytes:
    return _edit(
        random, raw, lambda holder, key: holder.__setitem__(key, random.choice([[holder[key]], {"v": holder[key]}]))
    )


def unknown_field(random: Random, raw: bytes) -> bytes:
    def add(holder: Any, key: Any) -> None:
        if isinstance(holder, dict):
            holder[random.choice(["context", "colour", "type ", "TYPE", "fields"])] = random.choice(VALUES)

    return _edit(random, raw, add)


def key_twice(random: Random, raw: bytes) -> bytes:
    name = random.choice([b"type", b"event_id", b"user_id", b"occurred_at_ms", b"item_id", b"items"])
    value = random.choice([b'"view"', b'"rank"', b"1", b"null", b'"i1"', b"[]"])
    return raw[:-1] + b',"' + name + b'":' + value + b"}" if raw.endswith(b"}") else raw


def flipped_bits(random: Random, raw: bytes) -> bytes:
    changed = bytearray(raw)
    for _ in range(random.choice([1, 1, 2, 8])):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def cut_off(random: Random, raw: bytes) -> bytes:
    return raw[: random.randrange(len(raw))]


def cut_out(random: Random, raw: bytes) -> bytes:
    start = random.randrange(len(raw))
    return raw[:start] + raw[start + random.randrange(1, 20) :]


def put_in(random: Random, raw: bytes) -> bytes:
    start = random.randrange(len(raw))
    junk = random.choice([b"\x00", b"\xff\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\", b'"', b"{", b",", b"\n" * 9])
    return raw[:start] + junk + raw[start:]


def said_twice(random: Random, raw: bytes) -> bytes:
    return random.choice([raw + raw, raw + b"\n" + raw, b"[" + raw + b"]", raw + b" " * 300_000, b" \n\t" + raw])


def something_else(random: Random, raw: bytes) -> bytes:
    return random.choice([b"", b"null", b"0", b"[]", b"{}", b'"text"', b"\x00\x00\x00\x00\x05", random.randbytes(40)])


Mutation = Callable[[Random, bytes], bytes]
BYTES: tuple[Mutation, ...] = (
    key_twice, flipped_bits, cut_off, cut_out, put_in, said_twice, something_else,
)  # fmt: skip
JSON: tuple[Mutation, ...] = (
    other_value, value_left_out, other_id, other_time, repeated_entries, shuffled_entries, wrapped, unknown_field,
)  # fmt: skip


def damaged(random: Random, raw: bytes) -> bytes:
    """One damage of any kind; half of them leave JSON."""
    return random.choice(JSON if random.random() < 0.6 else BYTES)(random, raw) if raw else raw


def mutate(random: Random, raw: bytes) -> bytes:
    """One to three damages, one upon the other."""
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        raw = damaged(random, raw)
    return raw
