"""`freshrank dead-letters`: what was refused, why, and once more."""

from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.options import AsJson, BootstrapServers, load_settings

if TYPE_CHECKING:
    from streams.events.dead_letter_list import Chosen
    from streams.events.rejection import Reason

__all__ = ["dead_letters"]


def dead_letters(
    *,
    last: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="All that the topic still holds.")] = False,
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say what each reason means and what to do.")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="Send those listed to their topics again.")] = False,
    bootstrap_servers: BootstrapServers = None,
    as_json: AsJson = False,
) -> None:
    """List, explain and send again the records that were refused."""
    import asyncio
    import json

    from streams.events.dead_letter_list import choose
    from streams.kafka.topic_reader import read_topic
    from streams.replay import resend as resending

    settings = load_settings(bootstrap_servers=bootstrap_servers)
    wanted = _reason(reason)
    newest = None if everything else last
    # The newest of one reason may lie anywhere, so then all are read.
    records = read_topic(settings, f"{settings.topic_prefix}dead-letters", newest if wanted is None else None)
    chosen = choose((record.value for record in records), newest, wanted)
    if not as_json:
        _show(chosen, explain=explain)
    done = asyncio.run(resending.resend(chosen.letters, settings)) if resend else None
    if as_json:
        typer.echo(json.dumps(chosen.to_json() | (done._asdict() if done else {}), indent=2))
    elif done:
        typer.echo(f"{done.resent:,} sent again, {done.incomplete:,} not: their originals were cut or empty")


def _reason(text: str | None) -> "Reason | None":
    from streams.events.rejection import REASONS

    for known in REASONS:
        if text == known:
            return known
    if text is None:
        return None
    raise typer.BadParameter(f"found {text!r}, must be one of {', '.join(REASONS)}", param_hint="--reason")


def _show(chosen: "Chosen", *, explain: bool) -> None:
    from datetime import UTC, datetime

    from streams.events.dead_letter_list import sample
    from streams.events.rejection import EXPLANATIONS

    for letter in chosen.letters:
        at = datetime.fromtimestamp(letter.rejected_at_ms / 1000, UTC).isoformat(timespec="seconds")
        typer.echo(
            f"{at}  {letter.reason}  {letter.topic}[{letter.partition}]@{letter.offset}  {letter.size_bytes:,} B"
        )
        typer.echo(f"    {letter.detail}")
        typer.echo(f"    {sample(letter)}")
    if explain:
        for found in dict.fromkeys(letter.reason for letter in chosen.letters):
            typer.echo(f"{found}: {EXPLANATIONS[found]}")
    counts = ", ".join(f"{number:,} {found}" for found, number in chosen.by_reason.items())
    typer.echo(f"{len(chosen.letters):,} listed; read: {counts or 'none'}")
    if chosen.unreadable:
        typer.echo(f"{chosen.unreadable:,} records on the topic are no dead letters")
