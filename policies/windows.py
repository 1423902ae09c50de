"""Freeze windows, and how much of its own will Prunella has: what the settings say about every plan alike."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from config.freeze import Freeze
from policies.decision import Decision, Reason, Verdict
from policies.ladder import Rung
from tools.action import Action, Operation
from tools.clock import Clock


def is_frozen(windows: Iterable[Freeze], now: datetime) -> bool:
    """Tell whether any window is open at an aware instant."""
    return any(window.holds_at(now) for window in windows)


def frozen_by(windows: Iterable[Freeze], now: datetime) -> str:
    """Return in words which window is open, and until when: of several that which closes last; empty: none is."""
    closing = [(until, window.why) for window in windows if (until := window.until(now)) is not None]
    if not closing:
        return ""
    until, why = max(closing)
    return f"a freeze window is open: {why}, until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def outlook(window: Freeze, now: datetime) -> str:
    """Return in words when a window closes, or opens next."""
    if (until := window.until(now)) is not None:
        return f"open until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    opens = window.opens(now)
    return f"opens {opens.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if opens is not None else "never opens again"


def freeze_check(windows: tuple[Freeze, ...], clock: Clock) -> Callable[[Action, Operation], Reason | None]:
    """Return a check for the gate that objects while a window is open."""

    def check(action: Action, operation: Operation) -> Reason | None:
        del action, operation  # a freeze spares nothing
        text = frozen_by(windows, clock.now())
        return Reason(rule="freeze", text=text) if text else None

    return check


def restrain(decision: Decision, autonomy: Rung, why: str = "") -> Decision:
    """Return the decision under a rung of autonomy: it may become stricter, never looser; its reasons stay."""
    match autonomy:
        case "act":
            return decision
        case "ask":
            softer, text = Verdict.ASK, "autonomy is ask: every act needs a person"
        case "propose":
            softer, text = (
                Verdict.DENY,
                "autonomy is propose: this plan is for a person to carry out, and is not asked about",
            )
        case "watch":
            softer, text = Verdict.DENY, "autonomy is watch: nothing is done"
    if decision.verdict is Verdict.DENY or decision.verdict is softer:
        return decision
    said = f"{text} ({why})" if why else text
    reasons = (Reason(rule="autonomy", text=said), *decision.reasons)
    return decision.model_copy(update={"verdict": softer, "reasons": reasons})
