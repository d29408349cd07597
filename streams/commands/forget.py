"""`freshrank forget`: remove everything that is known of a user, with a receipt."""

from typing import TYPE_CHECKING, Annotated

import typer

from streams.commands.options import AsJson, BootstrapServers, DataDir, load_settings

if TYPE_CHECKING:
    from rich.console import RenderableType

    from streams.erasure.receipt import Receipt

__all__ = ["forget"]


def forget(
    user_id: Annotated[str, typer.Argument(metavar="USER", help="Whom to forget.")],
    *,
    timeout_s: Annotated[float, typer.Option(min=1, help="Give up waiting for worker and trainer after this.")] = 120.0,
    bootstrap_servers: BootstrapServers = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Remove everything that is known of a user and print a receipt: what is gone, and what expires when."""
    import asyncio
    import json

    from streams.clock import SystemClock
    from streams.erasure.forget_job import forget_user
    from streams.replay.progress import ReplayProgress

    settings = load_settings(bootstrap_servers=bootstrap_servers, data_dir=data_dir)
    clock = SystemClock()
    with ReplayProgress("forget", clock) as progress:
        receipt = asyncio.run(forget_user(settings, clock, user_id, timeout_s, lambda words: progress(None, words)))
    if as_json:
        typer.echo(json.dumps(receipt.to_json(), indent=2))
    else:
        from streams.commands.tables import show

        show(_table(receipt))
    if not receipt.is_complete:
        typer.echo("error: something of the user was found afterwards; see the receipt, and repeat", err=True)
        raise typer.Exit(1)


def _table(receipt: "Receipt") -> "RenderableType":
    from rich.console import Group
    from rich.table import Table

    facts = receipt.to_json()
    removed = Table("removed from", "what", "found", "left", title=f"{receipt.user_id}, up to {facts['forgotten_at']}")
    for row in receipt.removed:
        removed.add_row(row.store, row.what, _number(row.found), _number(row.left))
    expires = Table("expires in", "what", "by")
    for row in facts["expires"]:
        expires.add_row(row["store"], row["what"], row["by"])
    stays = Table("stays in", "what")
    for staying in receipt.stays:
        stays.add_row(staying.store, staying.what)
    return Group(removed, expires, stays)


def _number(found: int | None) -> str:
    return "not on this machine" if found is None else f"{found:,}"
