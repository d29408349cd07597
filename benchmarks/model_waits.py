"""From an example on the topic to the round that learned it, the announced model, and the first list scored with it.

An example is a slate's first click labels. A round that begins takes everything that waits, as long as that is no more
than eight rounds' worth (streams.training.schedule); what came in the last moments before may have missed it.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streams.training.round_history import HISTORY_FILE, read_rounds

__all__ = ["ModelWaits", "Round", "model_waits", "rounds_of"]

# From the topic into the trainer's buffer; an example fresher than this is taken to have missed the round.
INTAKE_MS = 200


@dataclass(frozen=True, slots=True)
class Round:
    """When it began, and the version it published; None when the gate refused."""

    began_ms: int
    version: int | None


@dataclass(slots=True)
class ModelWaits:
    """Milliseconds from append of the example. `num_not_served`: no list of this run was scored with what it taught."""

    round_ms: list[int] = field(default_factory=list)
    announced_ms: list[int] = field(default_factory=list)
    served_ms: list[int] = field(default_factory=list)
    num_not_served: int = 0


def rounds_of(data_dir: Path) -> list[Round]:
    """All rounds of a trainer, from its journal."""
    return [Round(r["at_ms"], r["version"]) for r in read_rounds(data_dir / "trainer" / HISTORY_FILE)]


def model_waits(
    examples_ms: Sequence[int],
    rounds: Sequence[Round],
    announced_ms: Mapping[int, int],
    versions: Sequence[tuple[int, int]],
) -> ModelWaits:
    """Match each example. `versions`: (scored, version) of every list, in any order."""
    first_list_ms = _first_lists(versions)
    began_ms = [one.began_ms for one in rounds]
    found = ModelWaits()
    for at_ms in examples_ms:
        place = bisect_left(began_ms, at_ms + INTAKE_MS)
        if place < len(rounds):
            found.round_ms.append(rounds[place].began_ms - at_ms)
        published = next((one.version for one in rounds[place:] if one.version is not None), None)
        if published is None or published not in announced_ms:
            found.num_not_served += 1
            continue
        found.announced_ms.append(announced_ms[published] - at_ms)
        served = [ms for version, ms in first_list_ms.items() if version >= published]
        if served:
            found.served_ms.append(min(served) - at_ms)
        else:
            found.num_not_served += 1
    return found


def _first_lists(versions: Sequence[tuple[int, int]]) -> dict[int, int]:
    """When each version scored its first list."""
    found: dict[int, int] = {}
    for scored_ms, version in versions:
        found[version] = min(scored_ms, found.get(version, scored_ms))
    return found
