"""What a user gets who asked to be forgotten: what is gone, what goes when, and what stays because it names nobody."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

__all__ = ["STAYS", "Expiring", "Receipt", "Removed", "Staying", "when"]


@dataclass(frozen=True, slots=True)
class Removed:
    """A store that was looked at before and after. None: it is not on this machine, and its owner has confirmed."""

    store: str
    what: str
    found: int | None
    left: int | None


@dataclass(frozen=True, slots=True)
class Expiring:
    """What still holds the user, and when it is gone: a time, or what must happen."""

    store: str
    what: str
    by: str


@dataclass(frozen=True, slots=True)
class Staying:
    """What was learned or counted with the user's help and names nobody."""

    store: str
    what: str


# A model has rows by item, none by user; a test searches its files.
STAYS = (
    Staying("item counts", "sums over all users; no user stands in them"),
    Staying("model versions", "weights learned from many users; no row and no id of a user stands in them"),
    Staying("evidence of the gate", "sums over 256 groups of users"),
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """`forgotten_at_ms`: all that the user did up to this time is gone; what is done later starts a new user."""

    user_id: str
    forgotten_at_ms: int
    removed: Sequence[Removed]
    expires: Sequence[Expiring]
    stays: Sequence[Staying] = STAYS

    @property
    def is_complete(self) -> bool:
        """Nothing was found afterwards where something was to be removed."""
        return not any(removed.left for removed in self.removed)

    def to_json(self) -> dict[str, Any]:
        """The documented shape of `freshrank forget --json`."""
        return {
            "user_id": self.user_id,
            "forgotten_at": when(self.forgotten_at_ms),
            "is_complete": self.is_complete,
            "removed": [asdict(removed) for removed in self.removed],
            "expires": [asdict(expiring) for expiring in self.expires],
            "stays": [asdict(staying) for staying in self.stays],
        }


def when(at_ms: int) -> str:
    """ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
