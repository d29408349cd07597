"""What the replay buffer holds, in order of event time, cut into a part to learn, one to stop by, and one to measure.

Cut by time, as the model will be used: never shuffled, so that nothing learned lies after what it is measured on. Read
block by block, as history may be larger than memory; no user has more of a block than others (user_cap.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streams.training.buffered_slate import ReadySlate
from streams.training.replay_buffer import ReplayBuffer
from streams.training.user_cap import cap_users

__all__ = ["History", "split_by_time"]

VALIDATION_FRAC = TEST_FRAC = 0.1
BLOCK_SLATES = 256


@dataclass(frozen=True, slots=True)
class History:
    """Sequence numbers of learnable slates, oldest first. `test` is the newest part, `validation` what is before it."""

    buffer: ReplayBuffer
    train: Sequence[int]
    validation: Sequence[int]
    test: Sequence[int]

    @property
    def num_slates(self) -> int:
        """Of all parts."""
        return len(self.train) + len(self.validation) + len(self.test)

    def blocks(self, part: Sequence[int]) -> Iterator[list[ReadySlate]]:
        """A part's slates in order, without the oldest ones of users who have far more of a block than others."""
        for start in range(0, len(part), BLOCK_SLATES):
            yield cap_users(self.buffer.history(part[start : start + BLOCK_SLATES]))


def split_by_time(buffer: ReplayBuffer) -> History:
    """All that is learnable; the newest tenth is for testing, the tenth before it for validation."""
    seqs = buffer.by_event_time()
    num_test, num_validation = int(len(seqs) * TEST_FRAC), int(len(seqs) * VALIDATION_FRAC)
    first_test = len(seqs) - num_test
    first_validation = first_test - num_validation
    return History(buffer, seqs[:first_validation], seqs[first_validation:first_test], seqs[first_test:])
