"""`freshrank rank`: ask the running system for a list."""

from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.options import AsJson, BootstrapServers, load_settings

if TYPE_CHECKING:
    from streams.ranking.record import Ranking

__all__ = ["rank"]


def rank(
    user_id: Annotated[str, typer.Argument(metavar="USER", help="Whose list.")],
    *,
    surface: Annotated[str, typer.Option(help="Where the list will be shown.")] = "home",
    query: Annotated[str | None, typer.Option(help="Words that were searched for.")] = None,
    item: Annotated[list[str] | None, typer.Option(help="Rank exactly these items; may be given again.")] = None,
    k: Annotated[int | None, typer.Option(min=1, max=500, help="Length of the list.")] = None,
    timeout_s: Annotated[float, typer.Option(min=0.1, help="Give up after so many seconds.")] = 10.0,
    bootstrap_servers: BootstrapServers = None,
    as_json: AsJson = False,
) -> None:
    """Send a rank request for a user and print the answer."""
    from streams.clients.ranking_request import request_ranking
    from streams.clock import SystemClock

    settings = load_settings(bootstrap_servers=bootstrap_servers)
    ranking = request_ranking(
        settings,
        SystemClock(),
        user_id=user_id,
        surface=surface,
        query=query,
        item_ids=item or (),
        k=k,
        timeout_s=timeout_s,
    )
    if as_json:
        typer.echo(ranking.model_dump_json(indent=2))
    else:
        _show(ranking)


def _show(ranking: "Ranking") -> None:
    for place, ranked in enumerate(ranking.items, start=1):
        predictions = "  ".join(f"{task} {value:.3f}" for task, value in ranked.predictions.items())
        typer.echo(f"{place:3}  {ranked.score:8.4f}  {ranked.item_id}  ({ranked.kind})  {predictions}")
    model = f"model {ranking.model_version}" if ranking.model_version else "no model yet"
    typer.echo(f"{len(ranking.items)} items for {ranking.user_id} on {ranking.surface}: {model}, {ranking.policy}")
