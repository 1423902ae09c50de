"""The work of ``prunella drift``: compare, hold to rules, write the page and the rules."""

from pathlib import Path

from agent.drift.compare import compare
from agent.drift.constraints import enforce, propose, read_known, read_rules, to_yaml
from agent.drift.finding import DriftReport, Fault
from agent.drift.headline import headline
from agent.drift.importance import explained, read_importance
from agent.drift.lags import lags
from agent.drift.rules import Constraints
from agent.drift.seasonal import matched
from agent.terminal import fail, now, wiring
from agent.view.drift_page import drift_page
from tools.errors import ToolError
from tools.tables import Table


def look(
    reference: Table,
    current: Table,
    files: tuple[Path | None, Path | None, Path | None],
    importance: str | None = None,
    season: str | None = None,
) -> DriftReport:
    """Return the report. ``files``: the page to write, the rules to write, the rules to enforce; None: not asked."""
    whole, reference, note = reference, *(_matched(reference, current, season) if season else (reference, ""))
    page, proposed, rules = files
    kept = None
    if rules is not None:
        try:
            kept = read_rules(rules)
        except ToolError as error:
            fail(str(error))
    report = _compared(reference, current, weights(reference, importance) if importance else None)
    if note:
        report = report.model_copy(update={"notes": (note, *report.notes)})
    if kept is not None:
        faults = (*_broken(kept, current), *report.faults)
        sentence = headline(report.moves, faults, report.joint, report.segments, report.limits)
        report = report.model_copy(update={"faults": faults, "headline": sentence})
    if proposed is not None:
        _write(proposed, to_yaml(propose(whole), whole.name))
    if page is not None:
        _write(page, drift_page(report))
    return report


def _broken(rules: Constraints, current: Table) -> tuple[Fault, ...]:
    try:
        known = read_known(rules, lambda rows, column: wiring().table(rows).column(column))
        return enforce(rules, current, now(), known)
    except ToolError as error:
        fail(" ".join(str(error).split()))


def _compared(reference: Table, current: Table, importance: dict[str, float] | None) -> DriftReport:
    """Compare, lags too; a table that cannot be read to its end is wrong use, and must not look like drift."""
    try:
        if found := lags(reference, current):
            reference, current = reference.apart(found), current.apart(found)
        return compare(reference, current, importance=importance)
    except ToolError as error:
        fail(" ".join(str(error).split()))


def _matched(reference: Table, current: Table, season: str) -> tuple[Table, str]:
    try:
        return matched(reference, current, season)
    except ToolError as error:
        fail(str(error))


def weights(reference: Table, said: str) -> dict[str, float]:
    """Return how much each feature matters: from a file, or from the column of the reference that a model predicts."""
    import yaml

    try:
        if any(one.name == said for one in reference.fields):
            return explained(reference, said)
        text = Path(said).read_text(encoding="utf-8")
        return read_importance(yaml.safe_load(text), said)  # JSON is YAML too
    except (OSError, UnicodeDecodeError):
        fail(f"{said} is neither a file that can be read nor a column of {reference.name}")
    except yaml.YAMLError as error:
        fail(f"{said}: neither JSON nor YAML: {' '.join(str(error).split())[:120]}")
    except ToolError as error:
        fail(str(error))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        fail(f"cannot write {path}: {error.strerror}")
