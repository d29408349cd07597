"""Chooses and sums up dead letters for a person: the newest, of one reason, by reason. Pure."""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from streams.events.dead_letter import DeadLetter
from streams.events.rejection import Reason

__all__ = ["Chosen", "choose", "sample"]

SAMPLE_CHARS = 60


@dataclass(frozen=True, slots=True)
class Chosen:
    """`letters`: oldest first; `by_reason`: of all that were looked at; `unreadable`: records that are no letters."""

    letters: list[DeadLetter]
    by_reason: dict[str, int]
    unreadable: int

    def to_json(self) -> dict[str, Any]:
        """What `freshrank dead-letters --json` prints."""
        return {
            "letters": [letter.model_dump() for letter in self.letters],
            "by_reason": self.by_reason,
            "unreadable": self.unreadable,
        }


def choose(raws: Iterable[bytes | None], newest: int | None, reason: Reason | None) -> Chosen:
    """The `newest` letters (None: all) of one reason (None: any). Bounded by what is chosen, not by what is read."""
    counts: Counter[str] = Counter()
    kept: list[tuple[int, int, DeadLetter]] = []
    unreadable = 0
    for number, raw in enumerate(raws):
        try:
            letter = DeadLetter.decode(raw or b"")
        except ValueError:
            unreadable += 1
            continue
        counts[letter.reason] += 1
        if reason is not None and letter.reason != reason:
            continue
        entry = (letter.rejected_at_ms, number, letter)
        if newest is None or len(kept) < newest:
            heapq.heappush(kept, entry)
        elif newest:
            heapq.heappushpop(kept, entry)
    return Chosen(
        [letter for _, _, letter in sorted(kept, key=lambda e: e[:2])], dict(counts.most_common()), unreadable
    )


def sample(letter: DeadLetter, chars: int = SAMPLE_CHARS) -> str:
    """The first characters of the refused bytes; what is not text is escaped."""
    raw = letter.rejected_bytes
    if raw is None:
        return "(no value)"
    text = raw[: chars + 1].decode(errors="backslashreplace")
    escaped = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return escaped if len(escaped) <= chars else f"{escaped[:chars]}…"
