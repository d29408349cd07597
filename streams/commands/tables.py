"""Facts printed: as wide as the terminal, and wide enough in a file or a pipe, where names must not be cut."""

from rich.console import Console, RenderableType

__all__ = ["show"]

PLAIN_WIDTH = 160


def show(facts: RenderableType) -> None:
    """Print to standard output."""
    console = Console()
    (console if console.is_terminal else Console(width=PLAIN_WIDTH)).print(facts, highlight=False)
