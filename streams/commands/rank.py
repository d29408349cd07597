"""`freshrank rank`: ask the running system for a list."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.options import AsJson, BootstrapServers, load_settings

if TYPE_CHECKING:
    from streams.ranking.record import ItemExplanation, PastAnswer, Ranking

__all__ = ["lines", "rank"]

# Parts of an explanation in a line.
MAX_PARTS = 6


def rank(
    user_id: Annotated[str, typer.Argument(metavar="USER", help="Whose list.")],
    *,
    surface: Annotated[str, typer.Option(help="Where the list will be shown.")] = "home",
    query: Annotated[str | None, typer.Option(help="Words that were searched for.")] = None,
    item: Annotated[list[str] | None, typer.Option(help="Rank exactly these items; may be given again.")] = None,
    k: Annotated[int | None, typer.Option(min=1, max=500, help="Length of the list.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say why each of the first items is there.")] = False,
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
        explain=explain,
        timeout_s=timeout_s,
    )
    if as_json:
        typer.echo(ranking.model_dump_json(indent=2))
    else:
        typer.echo("\n".join(lines(ranking)))


def lines(ranking: "Ranking") -> list[str]:
    """A list for people, with what explains it."""
    shown: list[str] = []
    why = {} if ranking.explanation is None else {item.item_id: item for item in ranking.explanation.items}
    for place, ranked in enumerate(ranking.items, start=1):
        predictions = "  ".join(f"{task} {value:.3f}" for task, value in ranked.predictions.items())
        shown.append(f"{place:3}  {ranked.score:8.4f}  {ranked.item_id}  ({ranked.kind})  {predictions}")
        if ranking.explanation is not None and ranked.item_id in why:
            shown += _why(why[ranked.item_id], ranking.explanation.answers)
    model = f"model {ranking.model_version}" if ranking.model_version else "no model yet"
    shown.append(f"{len(ranking.items)} items for {ranking.user_id} on {ranking.surface}: {model}, {ranking.policy}")
    if why:
        shown.append(
            "score: what it would lose without each group of features; groups overlap. taste: the user's, in log-odds "
            "of a click; all answers together, and all fields together, make up the taste."
        )
    return shown


def _why(why: "ItemExplanation", answers: Sequence["PastAnswer"]) -> list[str]:
    """What says most, largest first."""
    parts = [("score", list(why.groups.items()))]
    if answers:
        said = [f"{one.answer} {one.item_id}" for one in answers]
        parts.append((f"taste {why.taste:+.3f} by field", list(why.taste_by_group.items())))
        parts.append((f"taste {why.taste:+.3f} by answer", list(zip(said, why.taste_by_answer, strict=True))))
    return [f"{'':14}{name}: {_largest(of_part)}" for name, of_part in parts]


def _largest(parts: list[tuple[str, float]]) -> str:
    """The MAX_PARTS that say most, and the sum of the others."""
    ordered = sorted(parts, key=lambda part: -abs(part[1]))
    shown = [f"{name} {value:+.3f}" for name, value in ordered[:MAX_PARTS]]
    rest = ordered[MAX_PARTS:]
    return "  ".join([*shown, *([f"{len(rest)} more {sum(value for _, value in rest):+.3f}"] if rest else [])])
