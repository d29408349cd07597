"""Tables of facts: as wide as the terminal, and wide enough in a file or a pipe, where names must not be cut."""

from rich.console import Console
from rich.table import Table

__all__ = ["show"]

PLAIN_WIDTH = 160


def show(table: Table) -> None:
    """Print to standard output."""
    console = Console()
    (console if console.is_terminal else Console(width=PLAIN_WIDTH)).print(table)
