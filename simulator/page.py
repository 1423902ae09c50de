"""What pages of drills are made of: style, tiles, tables. Nothing is fetched; the same words make the same page."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Colours that colour-blind people tell apart (Okabe and Ito); every mark also has a shape or a word.
STYLE = """
:root{color-scheme:light dark;--ink:#1b1b1b;--dim:#6b6b6b;--line:#d9d9d9;--paper:#fff;--good:#0072B2;--bad:#D55E00}
@media(prefers-color-scheme:dark){:root{--ink:#eee;--dim:#a0a0a0;--line:#444;--paper:#181818;--good:#56B4E9;--bad:#E69F00}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:2rem auto;max-width:72rem;
padding:0 1rem}h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.3rem 0;color:var(--dim)}
.tiles{display:flex;flex-wrap:wrap;gap:1rem;margin:1rem 0}.tile{border:1px solid var(--line);border-radius:.5rem;
padding:.6rem 1rem;min-width:8rem}.tile b{display:block;font-size:1.5rem}.tile span{color:var(--dim)}
table{border-collapse:collapse;width:100%}th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);
text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}th:first-child,td:first-child{text-align:left}th{color:var(--dim);font-weight:500}
.scroll{overflow-x:auto}.good{color:var(--good)}.bad{color:var(--bad);font-weight:600}
svg text{fill:var(--dim);font-size:11px}svg{min-width:40rem;overflow:visible}summary{cursor:pointer;color:var(--dim)}
details{margin:.5rem 0}.heat{display:block;margin:-.25rem -.6rem;padding:.25rem .6rem;
background:color-mix(in srgb,var(--bad) calc(15% + 45%*var(--share)),transparent)}
.bar{display:block;background:linear-gradient(color-mix(in srgb,var(--dim) 35%,transparent) 0 0) 100% 100%/
calc(100%*var(--share)) 4px no-repeat;padding-bottom:4px}.bar.less{background-image:linear-gradient(var(--good) 0 0)}
.low{display:block;color:var(--dim);font-size:.8rem}
"""


def whole(title: str, parts: Iterable[str]) -> str:
    """Return a page; title and parts are HTML already."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    return (
        f"<!doctype html><html lang=en><head>{head}<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def tile(figure: str, word: str) -> str:
    """Return a figure and what it is; the figure is HTML already."""
    return f'<div class="tile"><b>{figure}</b><span>{word}</span></div>'


def interval(share: Mapping[str, Any]) -> str:
    """Write a share with its interval (mean, low, high)."""
    return f"{percent(share['mean'])} <small>[{percent(share['low'])}, {percent(share['high'])}]</small>"


def percent(share: float) -> str:
    """Write a share; all and nothing are said of all and nothing alone.

    >>> percent(1.0), percent(0.998), percent(0.9999), percent(0.5), percent(0.00001)
    ('100%', '99.8%', '99.9%', '50%', '0.1%')
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    return f"{min(max(100 * share, 0.1), 99.9):.1f}%".replace(".0%", "%")


def table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the cells are HTML already."""
    top = "".join(f"<th>{word}</th>" for word in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
