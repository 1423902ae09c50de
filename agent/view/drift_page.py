"""A drift report as one self-contained page: no script, no font, no picture from elsewhere."""

from html import escape

from agent.drift.finding import DriftReport, Move, Picture, many

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:68rem;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.5rem;line-height:1.3}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #e3e7ec;
vertical-align:top}th{font-weight:600;color:#566}td.n{font-variant-numeric:tabular-nums;white-space:nowrap}
.moved{color:#b3261e;font-weight:600}.slight{color:#9a6700}.unsure{color:#7b3fb0}.same,.quiet{color:#6b7684}
svg{display:block}.was{fill:#9db4cf}.now{fill:none;stroke:#b3261e;stroke-width:1.6}
@media(prefers-color-scheme:dark){body{background:#14181d;color:#dfe5ec}td,th{border-color:#2a313a}th{color:#9aa6b2}
.moved{color:#ff8a80}.slight{color:#e3b341}.was{fill:#41566f}.now{stroke:#ff8a80}}
"""


def drift_page(report: DriftReport) -> str:
    """Return the page: the sentence first, then what stands behind it."""
    one, two = report.reference, report.current
    return "".join(
        [
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
            f"<title>Drift: {escape(two.name)}</title><style>{STYLE}</style>",
            f"<h1>{escape(report.headline)}</h1>",
            f"<p class=quiet>{escape(one.name)}, {many(one.rows, 'row')}, ",
            f"against {escape(two.name)}, {many(two.rows, 'row')}. ",
            f"Where nothing moved, at most {report.limits.false_alarms:.0%} of the reports say that something did.",
            _list("Data-quality faults", [f"{fault.column}: {fault.text}" for fault in report.faults]),
            _list("In parts of the rows", [segment.text for segment in report.segments]),
            _list("Texts and vectors", [one.text for one in report.joint if one.verdict == "moved" and one.feature]),
            _list("Between features", [one.text for one in report.joint if one.verdict == "moved" and not one.feature]),
            "<h2>Features</h2>",
            "<p class=quiet>Bars: reference; line: current. Effect: greatest distance of the distribution functions, "
            "or of shares; q: the p-value after correction for many tests.</p>",
            "<table><tr><th>feature<th>verdict<th>effect (95 %)<th>q<th>since<th>what<th></tr>",
            *(_row(move) for move in report.moves),
            "</table>",
            _list("Notes", list(report.notes)),
            "</html>",
        ]
    )


def _list(title: str, lines: list[str]) -> str:
    if not lines:
        return ""
    return f"<h2>{title}</h2><ul>" + "".join(f"<li>{escape(line)}" for line in lines) + "</ul>"


def _row(move: Move) -> str:
    name = f"{move.feature} (nulls)" if move.kind == "nulls" else move.feature
    return (
        f"<tr><td>{escape(name)}<td class={move.verdict}>{move.verdict}"
        f"<td class=n>{move.effect:.3f} ({move.effect_low:.3f} to {move.effect_high:.3f})<td class=n>{move.q:.2g}"
        f"<td class=n>{escape(move.since or '')}<td>{escape(move.text)}<td>{_drawn(move.picture)}</tr>"
    )


def _drawn(picture: Picture | None) -> str:
    """Draw shares per bin: reference as bars, current as a line."""
    if picture is None:
        return ""
    width, height = 160.0, 40.0
    top = max(*picture.before, *picture.after, 1e-12)
    step = width / len(picture.before)
    was, now = ([height * share / top for share in side] for side in (picture.before, picture.after))
    bars = "".join(
        f"<rect class=was x={at * step:.1f} y={height - tall:.1f} width={step:.1f} height={tall:.1f} />"
        for at, tall in enumerate(was)
    )
    line = " ".join(f"{(at + 0.5) * step:.1f},{height - tall:.1f}" for at, tall in enumerate(now))
    label = f"{picture.low:.4g} to {picture.high:.4g}"
    return (
        f"<svg width={width:.0f} height={height:.0f} role=img aria-label='{label}'><title>{label}</title>"
        f"{bars}<polyline class=now points='{line}' /></svg>"
    )
