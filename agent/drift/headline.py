"""One sentence: what a person should look at first."""

from collections.abc import Sequence

from agent.drift.finding import Fault, Joint, Limits, Move, SegmentMove

RARE = 0.005  # of the rows
NAMED = 3  # features that moved beside a fault


def headline(
    moves: Sequence[Move],
    faults: Sequence[Fault],
    joint: Sequence[Joint],
    segments: Sequence[SegmentMove],
    limits: Limits,
) -> str:
    """Return the sentence. Faults come first, because their cure is upstream; then the largest move.

    A fault of a few rows alone comes after a strong move: of one row out of range nobody should hear first.
    """
    moved = [move for move in moves if move.verdict == "moved"]
    strong = bool(moved) and moved[0].effect >= limits.strong
    if faults and not (strong and all(fault.share < RARE for fault in faults)):
        worst = max(faults, key=lambda fault: (fault.sure * fault.share, fault.column))
        others = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
        faulty = {fault.column for fault in faults}
        beside = [move.feature for move in moved if move.feature not in faulty]
        others += f"; {', '.join(beside[:NAMED])}{' and more' * (len(beside) > NAMED)} moved besides" if beside else ""
        return f"Look at {worst.column} first: {worst.text}{others}."
    if moved:
        first = moved[0]
        size = "strongly " if first.effect >= limits.strong else ""
        others = f"; {len(moved) - 1} more moved" if len(moved) > 1 else ""
        others += f"; {len(faults)} {'fault' if len(faults) == 1 else 'faults'} of few rows" if faults else ""
        return f"Look at {first.feature} first: it moved {size}({first.text}){others}."
    if segments:
        others = f"; {len(segments) - 1} more such parts" if len(segments) > 1 else ""
        return f"Look at {segments[0].feature} first: {segments[0].text}{others}."
    if any(one.verdict == "moved" for one in joint):
        first_joint = next(one for one in joint if one.verdict == "moved")
        return (
            f"Look at {first_joint.text if first_joint.feature else 'how features go together: ' + first_joint.text}."
        )
    if moves and all(move.verdict == "unsure" for move in moves):
        return f"Too few rows to tell: at least {limits.rows} are needed on both sides."
    if any(move.verdict == "slight" for move in moves):
        return "Nothing to look at: what moved is too small to matter."
    return "Nothing to look at: nothing moved that chance does not explain."
