"""When chunks may be processed, and what is opened: what the group says in, what becomes of partitions out."""

import asyncio
from collections.abc import Awaitable, Callable

from streams.errors import StateError
from streams.observability.metrics import WorkerMetrics
from streams.worker.assignment import Assignment


class Journal:
    """Partitions and rows of a worker, saying what is done to them. Opening waits until it `may_open`."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.owned: dict[int, object] = {}
        self.elsewhere: set[int] = set()
        self.may_open = asyncio.Event()
        self.fails: StateError | None = None
        self.are_rows_held = False

    async def assign(self, numbers: set[int]) -> None:
        if self.fails is not None:
            raise self.fails
        await self.may_open.wait()
        held = {number: one for number, one in self.owned.items() if number not in self.elsewhere}
        self.owned = {number: held.get(number, object()) for number in numbers}
        self.did.append(f"opened {sorted(numbers)}")

    async def acquire(self, events: set[int], item_counts: set[int]) -> list[tuple[str, int]]:
        self.did.append(f"rows of {sorted(events)} {sorted(item_counts)}")
        await asyncio.sleep(0)
        self.are_rows_held = True
        return [("users", number) for number in sorted(events)]

    async def fill(self, lacking: list[tuple[str, int]], partitions: "Journal") -> None:
        assert partitions is self
        self.did.append(f"filled {lacking}")


def assignment_of(journal: Journal, failed: list[BaseException]) -> Assignment:
    async def guarded(work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StateError as error:
            failed.append(error)

    return Assignment(journal, journal, WorkerMetrics(), guarded)  # type: ignore[arg-type]


async def test_chunks_wait_until_all_that_was_assigned_is_open() -> None:
    journal = Journal()
    assignment = assignment_of(journal, [])
    assignment.begin({1, 0}, {0})
    waiting = asyncio.create_task(assignment.opened())
    await asyncio.sleep(0)
    assert (waiting.done(), assignment.is_open) == (False, False)
    journal.may_open.set()
    await waiting
    assert assignment.is_open
    assert journal.did == ["rows of [0, 1] [0]", "opened [0, 1]", "filled [('users', 0), ('users', 1)]"]


async def test_what_is_half_open_is_opened_before_the_group_goes_on() -> None:
    journal = Journal()
    assignment = assignment_of(journal, [])
    assignment.begin({0}, set())
    pausing = asyncio.create_task(assignment.pause())
    await asyncio.sleep(0)
    assert not pausing.done()
    journal.may_open.set()
    await pausing
    assert not assignment.is_open
    assert journal.did == ["rows of [0] []", "opened [0]", "filled [('users', 0)]"]


async def test_rows_are_settled_when_a_partition_cannot_be_opened() -> None:
    """Else the worker would stop while they are still being acquired."""
    journal, failed = Journal(), list[BaseException]()
    journal.fails = StateError("its folder is gone")
    assignment = assignment_of(journal, failed)
    assignment.begin({0}, {1})
    await assignment.settled()
    assert [str(error) for error in failed] == ["its folder is gone"]
    assert (assignment.is_open, journal.are_rows_held, journal.did) == (False, True, ["rows of [0] [1]"])


async def test_a_partition_that_was_elsewhere_meanwhile_ends_the_worker() -> None:
    journal, failed = Journal(), list[BaseException]()
    assignment = assignment_of(journal, failed)
    journal.may_open.set()
    assignment.begin({0, 1}, set())
    await assignment.opened()
    journal.elsewhere = {1}
    assignment.begin({0, 1}, set())
    await assignment.settled()
    assert [str(error) for error in failed] == [
        "partitions [1] were taken over while this worker was away; it starts anew"
    ]
    assert not assignment.is_open


async def test_nothing_is_waited_for_before_anything_was_assigned() -> None:
    journal = Journal()
    await asyncio.wait_for(assignment_of(journal, []).pause(), 1.0)
    assert journal.did == []
