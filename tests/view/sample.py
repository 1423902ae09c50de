"""A snapshot made by hand: one case that healed, one that waits for a person, and text that means harm."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from agent.case import Anomaly, Diagnosis, Evidence, Hypothesis, Incident, Measured, Outcome
from agent.casebook import Case, ServiceRow, Snapshot, TimelineItem
from playbooks.plan import Bounds, Execution, Plan, Step, StepRecord, Verification
from policies.decision import Approval, Decision, Reason, Verdict
from tools.action import RestoreRevision

T0 = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
HOSTILE = (
    "[bold red]</x>[/] \x1b[31mred\x1b]8;;http://evil\x07 \u202eflip\n"
    "new | line <script>alert(1)</script> @everyone `rm`"
)


def at(seconds: float) -> datetime:
    """An instant of the story."""
    return T0 + timedelta(seconds=seconds)


def incident(text: str = "chat") -> Incident:
    anomaly = Anomaly(
        at=at(60),
        onset_at=at(0),
        signal="error_ratio",
        entity="service/chat",
        value=0.31,
        expected=0.004,
        threshold=0.02,
        score=15.5,
        detector="objective",
    )
    return Incident(
        id="inc-7", at=at(60), service="chat", severity="high", tier="immediate", fingerprint=text, anomalies=(anomaly,)
    )


def evidence(text: str) -> tuple[Evidence, ...]:
    def one(id_: str, analyst: str, finding: str, weight: float, words: str) -> Evidence:
        return Evidence.model_validate(
            {
                "id": id_,
                "incident": "inc-7",
                "at": at(61),
                "analyst": analyst,
                "finding": finding,
                "entity": "service/chat",
                "weight": weight,
                "text": words,
                "query": "sum(rate(http_requests_total[2m]))",
            }
        )

    return (
        one("e1", "changes", "recent_release", 2.4, f"release 4 went out 55 s before the onset: {text}"),
        one(
            "e2", "serving", "errors_on_new_revision", 2.1, "31 % of the answers are errors, all of them on revision 4"
        ),
        one("e3", "hardware", "xid", -1.5, "no XID on the 3 GPUs of the service"),
        one("e4", "serving", "saturated", -1.2, "queue 2, KV cache 38 %: not saturated"),
    )


def diagnosis() -> Diagnosis:
    return Diagnosis(
        incident="inc-7",
        at=at(62),
        hypotheses=(
            Hypothesis(
                fault="bad_rollout_errors",
                entity="service/chat",
                probability=0.93,
                supporting=("e1", "e2"),
                opposing=(),
            ),
            Hypothesis(
                fault="kv_cache_saturation",
                entity="service/chat",
                probability=0.04,
                supporting=(),
                opposing=("e4",),
            ),
        ),
        resolved=True,
    )


def plan() -> Plan:
    return Plan(
        id="plan-1",
        incident="inc-7",
        at=at(63),
        playbook="rollback-revision",
        class_="rollback",
        service="chat",
        fault="bad_rollout_errors",
        steps=(
            Step(
                id="restore",
                action=RestoreRevision(service="chat", revision="3"),
                hold=timedelta(seconds=30),
            ),
        ),
        bounds=Bounds(steps=1, time=timedelta(minutes=10)),
        verification=Verification(hold=timedelta(minutes=2), deadline=timedelta(minutes=10)),
        predicted="error_ratio back to 0.4 %, as on revision 3",
    )


def decision(verdict: Verdict = Verdict.ALLOW) -> Decision:
    return Decision(
        plan_digest=plan().digest(),
        policy_digest="p1",
        incident="inc-7",
        at=at(64),
        verdict=verdict,
        reasons=(
            Reason(rule="confidence", text="confidence 93 % >= 70 %"),
            Reason(rule="load", text="load 64 % <= 85 %"),
        ),
    )


def story(text: str, count: int = 4) -> tuple[TimelineItem, ...]:
    rows = (
        (60, "INCIDENT", "chat: error_ratio 0.31, expected 0.004 (service/chat)"),
        (61, "EVIDENCE", f"release 4 went out 55 s before the onset: {text}"),
        (62, "DIAGNOSIS", "bad_rollout_errors on service/chat 93%"),
        (63, "PLAN", "rollback-revision (1 steps): error_ratio back to 0.4 %"),
        (64, "DECISION", "allow: confidence 93 % >= 70 %; load 64 % <= 85 %"),
        (65, "STEP_INTENT", "restore revision 3 of chat"),
        (95, "OUTCOME", "recovered: every objective held for 2 min"),
    )
    return tuple(TimelineItem(at=at(second), kind=kind, text=words) for second, kind, words in rows[:count])


def healed(text: str = "alice: smaller head") -> Case:
    """A case from first sign to proof."""
    return Case(
        incident=incident(text),
        phase="recovered",
        evidence=evidence(text),
        diagnosis=diagnosis(),
        plans=(plan(),),
        decision=decision(),
        execution=Execution(
            plan="plan-1",
            incident="inc-7",
            at=at(95),
            state="done",
            steps=(
                StepRecord(step="restore", operation="op-1a2b", state="done", at=at(95), detail=f"revision 3 {text}"),
            ),
        ),
        outcome=Outcome(
            incident="inc-7",
            at=at(240),
            verdict="recovered",
            text="every objective held for 2 min",
            measured=(
                Measured(signal="error_ratio", entity="service/chat", before=0.31, after=0.004, target=0.02),
                Measured(signal="ttft_p95", entity="service/chat", before=0.62, after=0.41, target=1.0),
            ),
            healed_at=at(120),
        ),
        summary=f"A bad release of chat was rolled back. {text}",
        timeline=story(text, 7),
    )


def waiting(text: str = "alice: smaller head") -> Case:
    """A case that waits for a person."""
    asked = Approval(
        id="apr-7-1",
        incident="inc-7",
        plan_digest=plan().digest(),
        asked_at=at(64),
        expires_at=at(64 + 1800),
        state="pending",
    )
    return Case(
        incident=incident(text),
        phase="waiting_approval",
        evidence=evidence(text),
        diagnosis=diagnosis(),
        plans=(plan(),),
        decision=decision(Verdict.ASK),
        approval=asked,
        timeline=story(text, 5),
    )


def services(text: str = "chat") -> tuple[ServiceRow, ...]:
    def row(name: str, kind: str, state: Literal["ok", "bad", "no_data"], ready: int | None) -> ServiceRow:
        value = {"ok": 0.41, "bad": 4.1, "no_data": None}[state]
        return ServiceRow(
            name=name,
            kind=kind,
            tier="gold",
            state=state,
            ready=ready,
            wanted=None if ready is None else 3,
            headline={"ttft_p95": value, "error_ratio": None if value is None else 0.004, "requests": 12.34},
            targets={"ttft_p95": 2.0, "error_ratio": 0.02},
            broken=("ttft_p95",) if state == "bad" else (),
            spark=(0.4, 0.41, None, 0.5, 0.9, 2.2, 4.1, value) * 2,
        )

    return (
        row(text, "language", "bad", 2),
        row("code", "language", "ok", 3),
        row("search", "language", "ok", 3),
        row("fraud", "tabular", "ok", 3),
        row("recommend", "tabular", "no_data", 0),
        row("moderate", "tabular", "ok", 3),
        row("rank", "tabular", "ok", 3),
        row("translate", "vendor", "ok", None),
    )


def snapshot(*cases: Case, text: str = "chat", problems: tuple[str, ...] = ()) -> Snapshot:
    """The fleet with some cases."""
    return Snapshot(at=at(100), environment="demo", services=services(text), cases=cases, problems=problems)
