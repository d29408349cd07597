"""The end of a demo: let everything settle, then compare what the system holds with what was sent.

Looks from outside: rows through the Feast SDK, examples on their topic. Shares no code with the worker.
"""

import asyncio

from streams.clock import Clock
from streams.demo.example_audit import read_examples
from streams.demo.figures import Verdict
from streams.demo.ledger import TOTAL_COLUMNS, Ledger
from streams.features.rows import ITEM_COUNTERS, USER_COUNTERS
from streams.kafka.bulk_sender import BulkSender
from streams.replay.sender import close_windows
from streams.replay.waiting import wait_until_consumed
from streams.settings import Settings
from streams.supervisor.deployment import Deployment

__all__ = ["prove_nothing_lost", "settle"]

_STALL_S = 60.0


async def settle(settings: Settings, latest_ms: int, clock: Clock) -> None:
    """End all label windows of what happened up to `latest_ms`, then wait for both groups. Raises StalledError."""
    async with BulkSender(settings) as sink:
        await close_windows(sink, settings, latest_ms)
    await wait_until_consumed(settings, clock, lambda _frac, _words: None, _STALL_S)


def prove_nothing_lost(deployment: Deployment, ledger: Ledger) -> Verdict:
    """Compare lifetime totals in Feast and training examples with the ledger; everything must have settled."""
    examples = asyncio.run(read_examples(deployment.settings))
    facts = {
        "lifetime totals": f"of {len(ledger.users):,} users and {len(ledger.items):,} items, read from Feast",
        "training examples": f"{len(examples.shown):,} slates shown, {len(examples.labelled):,} labelled",
    }
    problems = (*_wrong_totals(deployment, ledger), *examples.problems(ledger.slates))
    return Verdict(facts, problems)


def _wrong_totals(deployment: Deployment, ledger: Ledger) -> list[str]:
    """Sentences about users and items whose lifetime totals in Feast are not what was sent."""
    from streams.features.feast_reader import read_rows  # noqa: PLC0415 -- importing Feast takes seconds

    repo = deployment.folder.feature_repo_path
    users = read_rows(repo, USER_COUNTERS, sorted(ledger.users), TOTAL_COLUMNS)
    items = read_rows(repo, ITEM_COUNTERS, sorted(ledger.items), TOTAL_COLUMNS)
    wrong = {"user": ledger.wrong_users(users), "item": ledger.wrong_items(items)}
    return [
        f"totals of {len(found):,} {entity}s in Feast differ from what was sent (one: {_example(found)})"
        for entity, found in wrong.items()
        if found
    ]


def _example(found: dict[str, dict[str, tuple[int, int]]]) -> str:
    entity, columns = min(found.items())
    column, (sent, stored) = next(iter(columns.items()))
    return f"{entity}: {column} sent {sent}, stored {stored}"
