"""Small pieces of HTML: escaped text, tables, figures with captions. Knows no figures and no files."""

import math
from collections.abc import Sequence
from html import escape

__all__ = ["DASH", "figure", "grid", "keys", "number", "section", "table", "text"]

DASH = "\N{EN DASH}"


def text(words: str) -> str:
    """Escaped; a per cent sign stays with its number."""
    return escape(words).replace(" %", "&nbsp;%")


def keys(names: Sequence[str]) -> str:
    """Which colour of the series is which name."""
    chips = [f'<span><i style="background:var(--s{k % 7 + 1})"></i>{text(name)}</span>' for k, name in enumerate(names)]
    return f"<p class=keys>{''.join(chips)}</p>"


def section(title: str, lead: str, *parts: str) -> str:
    """A titled part of the page. `lead`: what is seen here, plain text; `parts`: HTML."""
    return f"<section><h2>{text(title)}</h2><p class=lead>{text(lead)}</p>{''.join(parts)}</section>"


def grid(figures: Sequence[str], width: str = "") -> str:
    """Figures beside each other as the width allows: small ones, `three` or `wide`."""
    return f'<div class="grid {width}">{"".join(figures)}</div>' if figures else ""


def figure(svg: str, caption: str = "") -> str:
    """A drawing with words below."""
    below = f"<figcaption>{text(caption)}</figcaption>" if caption else ""
    return f"<figure>{svg}{below}</figure>"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, num_words: int = 1, limit: int | None = None) -> str:
    """A table of plain text; the first `num_words` columns are words, the others figures. Rows beyond `limit` fold."""
    top = "".join(f"<th{_kind(place, num_words)}>{text(head)}</th>" for place, head in enumerate(heads))
    lines = ["".join(f"<td{_kind(p, num_words)}>{text(c)}</td>" for p, c in enumerate(row)) for row in rows]
    head = f"<thead><tr>{top}</tr></thead>"

    def of(held: Sequence[str]) -> str:
        body = "".join(f"<tr>{line}</tr>" for line in held)
        return f"<div class=scroll><table class=words{num_words}>{head}<tbody>{body}</tbody></table></div>"

    if limit is None or len(lines) <= limit:
        return of(lines)
    folded = f"<details><summary>{len(lines) - limit} more</summary>{of(lines[limit:])}</details>"
    return of(lines[:limit]) + folded


def number(value: float | None, digits: int = 3) -> str:
    """A figure with so many decimals; a dash when it is not known."""
    return DASH if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def _kind(place: int, num_words: int) -> str:
    return "" if place < num_words else " class=n"
