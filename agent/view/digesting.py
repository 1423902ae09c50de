"""A digest as Markdown: one sentence first, then what needs somebody, then the rest; short on a quiet day."""

from datetime import datetime

from agent.digest import Digest, Told, Unusual
from agent.returning import Returning
from agent.view.bill import money, overrun
from agent.view.figures import span
from agent.view.plain import markdown
from tools.figure import figure

MOST_UNUSUAL, MOST_REMARKS = 8, 8
NAMES = {"daily": "day", "weekly": "week"}


def headline(found: Digest) -> str:
    """Return the one sentence: what to look at first."""
    name = NAMES[found.period]
    if found.questions:
        many = len(found.questions)
        return f"{many} question{'s wait' if many > 1 else ' waits'} for you; first: {found.questions[0].id}."
    if found.open_ones:
        first = found.open_ones[0]
        return f"Look at {first.service} first: {first.id} {_standing(first)}{_more(len(found.open_ones) - 1)}."
    if found.returning:
        often = found.returning[0]
        return (
            f"Look at {often.service} when you have a minute: {_of_returning(often)}{_more(len(found.returning) - 1)}."
        )
    if found.incidents:
        many, alone = len(found.incidents), all(not told.by_a_person for told in found.incidents)
        what = f"{many} incidents, all over" if many > 1 else "One incident, over"
        return f"{what}{', with nobody disturbed' if alone else ''}; services were ill for {span(found.degraded)}."
    if found.remarks:
        first_remark = found.remarks[0]
        return f"No incident. Look at the rows of {first_remark.service} first: {first_remark.text}."
    if dear := overrun(found.costs):
        return dear
    if found.unusual:
        first_one = found.unusual[0]
        return f"No incident. Look at {first_one.signal} of {_whose(first_one.entity)} when you have a minute."
    return f"A quiet {name}: no incident, and nothing unusual."


def as_markdown(found: Digest) -> str:
    """Return the whole digest; ends in a newline."""
    title = f"# {'The day' if found.period == 'daily' else 'The week'} to {_when(found.until)}"
    sections = (_needs, _eased, _returning, _incidents, _remarks, _costs, _unusual)
    parts = [title, markdown(headline(found)), *filter(None, (section(found) for section in sections))]
    return "\n\n".join(parts) + "\n"


def _needs(found: Digest) -> str:
    asked = [
        f"- Answer {markdown(q.id)} about {markdown(q.incident)} before {_when(q.expires_at)}: `prunella approvals`"
        for q in found.questions
    ]
    taken = [
        f"- {markdown(told.service)}: {markdown(told.text or 'still being worked on', 200)} ({markdown(told.id)})"
        for told in found.open_ones
    ]
    return "\n".join(["## Needs you\n", *asked, *taken]) if asked or taken else ""


def _eased(found: Digest) -> str:
    if not found.eased:
        return ""
    lines = [
        f"- {_when(each.at)} {markdown(each.service)}: {markdown(each.text, 200)} "
        f"({markdown(each.outcome.replace('_', ' '), 200) or 'under way'})"
        for each in found.eased
    ]
    return "\n".join(["## Done meanwhile\n", *lines])


def _returning(found: Digest) -> str:
    if not found.returning:
        return ""
    lines = [
        f"- {markdown(each.service)}: {markdown(_of_returning(each))}, last at {_when(each.last_at)}"
        for each in found.returning
    ]
    return "\n".join(["## Goes by itself, and comes back\n", *lines])


def _of_returning(each: Returning) -> str:
    return f"{each.signal} left its promise {each.times} times and came back by itself each time"


def _incidents(found: Digest) -> str:
    if not found.incidents:
        return ""
    rows = ["| began | service | lasted | cause | what was done |", "|---|---|---|---|---|"]
    rows += [_row(told, found.until) for told in found.incidents]
    name, many = NAMES[found.period], len(found.incidents)
    change = f"{many} incident{'s' if many > 1 else ''} this {name}, {found.before} the {name} before."
    return "\n".join(["## Incidents\n", *rows, "", change])


def _row(told: Told, until: datetime) -> str:
    lasted = span((told.over_at or until) - told.began_at) + ("" if told.over_at else " so far")
    cells = (
        _when(told.began_at),
        markdown(told.service) + (f" ({told.note})" if told.note else ""),
        lasted,
        markdown(told.fault.replace("_", " ")) or "unclear",
        markdown(told.playbook.replace("_", " ")) or ("handed to a person" if told.phase == "escalated" else "nothing"),
    )
    return f"| {' | '.join(cells)} |"


def _remarks(found: Digest) -> str:
    if not found.remarks:
        return ""
    lines = [f"- {markdown(one.service)}: {markdown(one.text, 300)}" for one in found.remarks[:MOST_REMARKS]]
    hidden = len(found.remarks) - MOST_REMARKS
    more = [f"- and {hidden} more"] if hidden > 0 else []
    return "\n".join(["## What the inference logs show\n", *lines, *more])


def _costs(found: Digest) -> str:
    return money(found.costs)


def _unusual(found: Digest) -> str:
    if not found.unusual and not found.beside_incidents:
        return ""
    lines = [_line(each) for each in found.unusual[:MOST_UNUSUAL]]
    hidden = len(found.unusual) - MOST_UNUSUAL
    more = [f"- and {hidden} more series"] if hidden > 0 else []
    near = found.beside_incidents
    beside = [f"{near} more belong{'' if near > 1 else 's'} to the incidents above."] if near else []
    return "\n".join(["## Unusual, though no promise was broken\n", *lines, *more, *([""] if lines else []), *beside])


def _line(each: Unusual) -> str:
    worst = each.strangest
    often = f", {each.times} times" if each.times > 1 else ""
    value, expected = figure(each.signal, worst.value), figure(each.signal, worst.expected)
    return (
        f"- {markdown(each.signal)} of {markdown(_whose(each.entity))}: {value} at {_when(worst.at)}, "
        f"{expected} expected; {markdown(worst.reason)}{often}"
    )


def _standing(told: Told) -> str:
    return "was handed to a person" if told.phase == "escalated" else "is not over"


def _more(count: int) -> str:
    return f" ({count} more)" if count else ""


def _whose(entity: str) -> str:
    kind, *rest = entity.split("/")
    return rest[0] if kind == "service" else f"{kind} {'/'.join(rest)}"


def _when(at: datetime) -> str:
    return at.strftime("%a %-d %b %H:%M")
