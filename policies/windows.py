"""Freeze windows, and how much of its own will Prunella has: what the settings say about every plan alike."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Literal

from config.settings import Freeze
from policies.decision import Decision, Reason, Verdict
from tools.action import Action, Operation
from tools.clock import Clock


def is_frozen(windows: Iterable[Freeze], now: datetime) -> bool:
    """Tell whether any window is open at an aware instant: the most restrictive wins."""
    return any(window.holds_at(now) for window in windows)


def freeze_check(windows: tuple[Freeze, ...], clock: Clock) -> Callable[[Action, Operation], Reason | None]:
    """Return a check for the gate that objects while a window is open."""

    def check(action: Action, operation: Operation) -> Reason | None:
        del action, operation  # a freeze spares nothing
        window = next((window for window in windows if window.holds_at(clock.now())), None)
        return Reason(rule="freeze", text=f"a freeze window is open: {window.why}") if window else None

    return check


def restrain(decision: Decision, autonomy: Literal["watch", "ask", "act"]) -> Decision:
    """Return the decision under the fleet's autonomy: it may become stricter, never looser; its reasons stay."""
    match autonomy:
        case "act":
            return decision
        case "ask":
            softer, text = Verdict.ASK, "autonomy is ask: every act needs a person"
        case "watch":
            softer, text = Verdict.DENY, "autonomy is watch: nothing is done"
    if decision.verdict is Verdict.DENY or decision.verdict is softer:
        return decision
    reasons = (Reason(rule="autonomy", text=text), *decision.reasons)
    return decision.model_copy(update={"verdict": softer, "reasons": reasons})
