"""One run of each fault in a few lines: what was seen first, what it was taken for and why, what was done, the end.

``python -m simulator.stories > docs/stories.md`` plays them all.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from typing import Any

from simulator.scenario import load_scenarios
from tools.journal import Entry

SEED = 0
REASONS = 3  # grounds of a diagnosis that are told
MOST = 12  # lines of a story
HEAD = f"""# Stories

One run of each fault (seed {SEED}, the demo's fleet): minutes after the onset, what was seen, what it was taken for
and why, what was done, how it ended. Made by `make stories`; a test plays a sample again. The whole journal of any of
them: `prunella drill ID --record DIR`. What each fault is: [the catalogue](faults.md).
"""


def story(name: str) -> str:
    """Play one fault and return its paragraph."""
    from simulator.episode import GUARDIANS, play

    record = play(load_scenarios()[name], SEED, GUARDIANS["prunella"])
    happened = record.happened
    assert happened.onset_at is not None, name
    whom = happened.entity.split("/")[0] + " " + "/".join(happened.entity.split("/")[1:])
    lines = list(_told(record.entries, happened.onset_at))
    if len(lines) > MOST:  # its end belongs to a story
        lines = [*lines[: MOST - 1], f"({len(lines) - MOST} more)", lines[-1]]
    bullets = "\n".join(f"- {line}" for line in lines) or "- nobody noticed anything"
    return f"**{name}**: {whom}\n\n{bullets}\n"


def _told(entries: Iterable[Entry], onset: datetime) -> Iterator[str]:
    evidence: dict[str, dict[str, Any]] = {}
    for entry in entries:
        text = _line(entry, evidence)
        if text:
            yield f"{(entry.at - onset).total_seconds() / 60:.1f} min: {text}"


def _line(entry: Entry, evidence: dict[str, dict[str, Any]]) -> str:
    """Return an entry in words; empty where it is no part of a story."""
    body = entry.body
    match entry.kind:
        case "INCIDENT":
            seen = ", ".join(f"{each['signal']} {each['value']:.4g}" for each in body["anomalies"][:2])
            return f"`{body['service']}` is noticed ({seen})"
        case "EVIDENCE":
            evidence[entry.subject] = {item["id"]: item for item in body["items"]}
            return ""
        case "DIAGNOSIS" if body["hypotheses"]:
            first = body["hypotheses"][0]
            return (
                f"taken for `{first['fault']}` ({first['probability']:.0%}){_grounds(first, evidence[entry.subject])}"
            )
        case "STEP_INTENT":
            return str(body["text"])
        case "OUTCOME":
            return f"{body['verdict']}: {body['text']}"
        case _:
            return ""


def _grounds(hypothesis: dict[str, Any], evidence: dict[str, Any]) -> str:
    found = [evidence[name] for name in hypothesis["supporting"] if name in evidence]
    best = sorted(found, key=lambda item: -item["weight"])[:REASONS]
    return ": " + "; ".join(item["text"] for item in best) if best else ""


def page(jobs: int = 2) -> str:
    """Play every fault and return the page."""
    names = sorted(name for name, scenario in load_scenarios().items() if scenario.truth.fault)
    with ProcessPoolExecutor(jobs) as pool:
        return "\n".join((HEAD, *pool.map(story, names)))


def main() -> None:
    """Write the page to standard output."""
    import sys

    sys.stdout.write(page())


if __name__ == "__main__":
    main()
