"""The page around the parts: one HTML file with everything in it, for light and dark, screen and print."""

from collections.abc import Sequence

from streams.report.html import section, table, text
from streams.report.theme import STYLE

__all__ = ["page", "words_used"]

CSS = """
:root{color-scheme:light dark;--paper:#f6f7f9;--card:#fff}
@media(prefers-color-scheme:dark){:root{--paper:#14171b;--card:#1c2026}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif}
main{max-width:1180px;margin:0 auto;padding:40px 24px 64px}
header{margin-bottom:12px}
.kicker{color:var(--muted);font-size:14px;margin:0 0 6px}
h1{font-size:clamp(26px,4vw,40px);line-height:1.15;letter-spacing:-.02em;margin:0 0 14px;text-wrap:balance}
header p.say{font-size:18px;margin:0 0 4px;max-width:75ch}
h2{font-size:22px;letter-spacing:-.01em;margin:0 0 4px}
section{margin-top:44px}
.lead{color:var(--muted);margin:0 0 16px;max-width:80ch}
.grid{display:grid;gap:14px;grid-template-columns:repeat(auto-fill,minmax(258px,1fr));margin-bottom:14px}
.grid.three{grid-template-columns:repeat(auto-fill,minmax(min(330px,100%),1fr))}
.grid.wide{grid-template-columns:repeat(auto-fill,minmax(min(460px,100%),1fr))}
figure{margin:0;background:var(--card);border:1px solid var(--grid);border-radius:10px;padding:12px 12px 8px}
section>figure{margin-bottom:14px}
figure svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-family:inherit!important}
.keys{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:14px;margin:0 0 12px;color:var(--muted)}
.keys i{display:inline-block;width:18px;height:3px;border-radius:2px;vertical-align:middle;margin-right:7px}
figcaption{color:var(--muted);font-size:14px;padding:6px 2px 2px}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--grid);border-radius:10px}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:7px 9px;text-align:left;vertical-align:top;border-bottom:1px solid var(--grid)}
tbody tr:last-child td{border-bottom:0}
th{color:var(--muted);font-weight:600;white-space:nowrap}
.n{text-align:right;white-space:nowrap}
td:first-child,.words2 td:nth-child(2){white-space:nowrap}
details{margin-top:10px}
summary{cursor:pointer;color:var(--s1);padding:6px 2px}
footer{color:var(--muted);font-size:14px;margin-top:44px}
@media print{body{background:none}figure,.scroll{break-inside:avoid}}
"""
WORDS = (
    ("AUC", "chance that what came true was predicted higher than what did not; .5 is a coin, 1 is perfect"),
    ("NE", "normalised entropy: log loss over that of knowing only how often it comes true; below 1 is better"),
    ("PCOC", "predicted over what came true; 1 is right, above 1 promises too much"),
    ("ECE", "mean distance of prediction and truth, over groups of like predictions; 0 is right"),
    (
        "precision, recall, F1",
        "of what was called yes, how much came true; of what came true, how much was called; both",
    ),
    ("NDCG@10", "how near to the best order the first ten places are, on lists where something came true; 1 is best"),
    ("MRR", "one over the place of the first that came true, averaged"),
)


def page(title: str, kicker: str, says: Sequence[str], parts: Sequence[str], foot: str) -> str:
    """The whole file. `parts` are HTML, all else is plain text."""
    said = "".join(f"<p class=say>{text(line)}</p>" for line in says)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{text(title)} · freshrank</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}{CSS}</style></head><body>'
        f"<main><header><p class=kicker>{text(kicker)}</p><h1>{text(title)}</h1>{said}</header>"
        f"{''.join(parts)}<footer>{text(foot)}</footer></main></body></html>"
    )


def words_used() -> str:
    """What the figures mean."""
    return section("Words used here", "", table(("figure", "what it says"), WORDS, num_words=2))
