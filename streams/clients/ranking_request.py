"""Asks for one ranking and waits for the answer: how a site uses the two clients together."""

from collections.abc import Sequence

from streams.clients.event_producer import EventProducer
from streams.clients.rankings_consumer import RankingsConsumer
from streams.clock import Clock
from streams.errors import StalledError
from streams.ranking.record import Ranking
from streams.settings import Settings

__all__ = ["request_ranking"]

POLL_MS = 100


def request_ranking(
    settings: Settings,
    clock: Clock,
    *,
    user_id: str,
    surface: str,
    query: str | None = None,
    item_ids: Sequence[str] = (),
    k: int | None = None,
    explain: bool = False,
    timeout_s: float = 10.0,
) -> Ranking:
    """Send a rank request and return its answer. With `item_ids` exactly these are ranked.

    `explain`: the answer says why its first items are there.

    Raises StalledError when no answer comes within `timeout_s`, BrokerUnreachableError, TopicError, InvalidRecordError.
    """
    items = [{"item_id": item_id} for item_id in item_ids] or None
    # The consumer stands at the end before the request is sent, so the answer cannot be missed.
    with RankingsConsumer(settings=settings, user_ids=[user_id]) as rankings, EventProducer(settings=settings) as site:
        began_s = clock.monotonic_s()
        request_id = site.rank(user_id, surface, query=query, items=items, k=k, explain=explain or None)
        while clock.monotonic_s() - began_s < timeout_s:
            for ranking in rankings.poll(POLL_MS):
                if ranking.slate_id == request_id:
                    return ranking
    raise StalledError(
        f"no answer to request {request_id} came within {timeout_s:g} s; needed: a running worker that keeps up; "
        "see `freshrank lag`, and start one with `freshrank up` or `freshrank worker`"
    )
