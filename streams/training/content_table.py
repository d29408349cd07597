"""What items are like, by feature schema and item id, as the newest slate that showed them said.

Kept in memory, and in the buffer's database. Slates are stored without it: an item shown a thousand times is
kept once, and slates that only name it as answered find it too. The newest content wins, so a slate replayed later is
learned with what its items are like by then. An item leaves when it was last shown longer ago than slates are kept.
"""

import struct
from collections.abc import Iterable, Iterator

import numpy as np

from streams.examples.records import Shown, decode_array, decode_codes
from streams.features.item_content import ItemContent
from streams.training.buffer_keys import content_key, content_of_key

__all__ = ["ContentTable"]

# An item whose content stays is written again when it was shown this much later: its age is right within it.
REWRITE_MS = 3_600_000
_HEAD = struct.Struct("<qI")


class ContentTable:
    """Contents by feature schema (its hash) and item id. One thread may write while others read."""

    def __init__(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """`rows`: stored keys and values."""
        self.contents: dict[tuple[str, str], ItemContent] = {}
        self._shown_at_ms: dict[tuple[str, str], int] = {}
        for key, raw in rows:
            of = content_of_key(key)
            self._shown_at_ms[of], self.contents[of] = _decode(raw)

    def take(self, shown: Shown) -> dict[bytes, bytes]:
        """The contents that a record brings; returns what has to be written."""
        written = {}
        for item, content in _contents(shown):
            of = shown.feature_schema, item
            before, before_ms = self.contents.get(of), self._shown_at_ms.get(of, 0)
            if shown.shown_at_ms < before_ms:
                continue
            is_same = before == content
            if is_same and shown.shown_at_ms < before_ms + REWRITE_MS:
                continue
            if not is_same:
                self.contents[of] = content
            self._shown_at_ms[of] = shown.shown_at_ms
            written[content_key(*of)] = _encode(shown.shown_at_ms, content)
        return written

    def expire(self, horizon_ms: int) -> dict[bytes, None]:
        """Forget items not shown since; returns the keys to delete."""
        old = [of for of, at_ms in self._shown_at_ms.items() if at_ms + REWRITE_MS < horizon_ms]
        for of in old:
            del self._shown_at_ms[of], self.contents[of]
        return {content_key(*of): None for of in old}


def _contents(shown: Shown) -> Iterator[tuple[str, ItemContent]]:
    if shown.content is None:
        return
    codes, sizes = decode_codes(shown.content.codes), shown.content.sizes
    num = len(shown.items)
    width = len(shown.content.dense) and len(decode_array(shown.content.dense, 1)) // num
    dense_ND = decode_array(shown.content.dense, width) if width else np.zeros((num, 0), np.float32)
    parts = np.split(codes, np.cumsum(sizes)[:-1])
    yield from ((item, ItemContent.of(c, d)) for item, c, d in zip(shown.items, parts, dense_ND, strict=True))


def _encode(at_ms: int, content: ItemContent) -> bytes:
    return _HEAD.pack(at_ms, len(content.code_V)) + content.codes + content.dense


def _decode(raw: bytes) -> tuple[int, ItemContent]:
    at_ms, num = _HEAD.unpack_from(raw)
    end = _HEAD.size + 4 * num
    return at_ms, ItemContent(raw[_HEAD.size : end], raw[end:])
