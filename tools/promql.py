"""Compiles the tree of a signal to PromQL: one query for all entities of a scope.

Example: ``Rate(Metric("http_requests_total"))`` of scope ``service``, selected by ``{"service": ("chat", "code")}``, is
``sum by (service) (rate(http_requests_total{service=~"chat|code"}[120s]))``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tools.signal import USUAL_WINDOW, Gauge, Join, Metric, Quantile, Rate, Ratio, Scope, SignalSpec

# label = value; label = one of these; None: the label is there, whatever it says
Selector = Mapping[str, str | tuple[str, ...] | None]

DCGM_BLANK = 2**47  # dcgm's "no value" as a float; as an integer it is larger still (near 2**63)
_LABEL = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_]*$")
_METRIC = re.compile(r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")  # in the regular expressions of Prometheus (RE2)


@dataclass(frozen=True, slots=True)
class LabelNames:
    """What the labels are called. ``gpu_nodes`` are tried in order: dcgm-exporter renamed Hostname to hostname."""

    service: str = "service"
    replica: str = "pod"
    node: str = "node"
    gpu: str = "gpu"
    gpu_nodes: tuple[str, ...] = ("hostname", "Hostname")
    vendor: str = "vendor"

    def of(self, scope: Scope) -> tuple[str, ...]:
        """Return the labels that tell the entities of a scope apart."""
        match scope:
            case "service":
                return (self.service,)
            case "replica":
                return (self.service, self.replica)
            case "node":
                return (self.node,)
            case "gpu":
                return (*self.gpu_nodes, self.gpu)
            case "vendor":
                return (self.service, self.vendor)


def entity(scope: Scope, labels: LabelNames, series: Mapping[str, str]) -> str | None:
    """Return whose series this is (``replica/chat/chat-1``), or None where a label is missing."""
    match scope:
        case "gpu":
            node = next((series[name] for name in labels.gpu_nodes if series.get(name)), "")
            parts = [node, series.get(labels.gpu, "")]
        case _:
            parts = [series.get(name, "") for name in labels.of(scope)]
    return "/".join((scope, *parts)) if all(parts) else None


def promql(spec: SignalSpec, labels: LabelNames, selector: Selector, fresh: float = 0.0) -> str:
    """Return the query of a signal; ``ValueError`` for an empty selector, which would be everything.

    Nothing older than ``fresh`` seconds is looked at (0: than the server's own lookback): such gauges are left out, and
    no rate's window of the usual length or less is longer.
    """
    if not selector or any(value in ("", ()) for value in selector.values()):
        raise ValueError(f"{spec.name}: the selector is empty, and would select everything")
    return _Compiler(labels, selector, spec.scope, fresh).compile(spec.expr)


@dataclass(frozen=True, slots=True)
class _Compiler:
    labels: LabelNames
    selector: Selector
    scope: Scope
    fresh: float

    def compile(self, expr: Gauge | Rate | Quantile | Ratio | Join) -> str:
        match expr:
            case Gauge() | Rate():
                return self._leaf(expr)
            case Quantile():
                buckets = Metric(f"{expr.metric.name}_bucket", expr.metric.where, expr.metric.unless)
                rate = f"rate({self._series(buckets)}[{self._window(expr)}s])"
                return f"histogram_quantile({expr.q!r}, sum by ({self._by('le')}) ({rate}))"
            case Ratio():
                above, below = self._leaf(expr.above), self._leaf(expr.below)
                scale = "" if expr.scale == 1.0 else f" * {expr.scale!r}"
                return f"({above} or 0 * {below}) / {below}{scale}"
            case Join():
                return self._join(expr)

    def _leaf(self, leaf: Gauge | Rate) -> str:
        series = self._series(leaf.metric)
        if isinstance(leaf, Rate):
            rate = f"rate({series}[{self._window(leaf)}s])"
            if leaf.metric.name.startswith("DCGM_"):
                rate = f"({rate} < {DCGM_BLANK})"  # one that goes blank rises by 2**63: over half a day, still more
            return f"sum by ({self._by()}) ({rate})"
        if leaf.metric.name.startswith("DCGM_"):
            series = f"{series} < {DCGM_BLANK}"
        if self.fresh:
            series = f"{series} unless timestamp({self._series(leaf.metric)}) < time() - {self.fresh:g}"
        return f"{leaf.over} by ({self._by()}) ({series})"

    def _window(self, leaf: Rate | Quantile) -> int:
        """Return the seconds that a rate looks back; the shortest that PromQL can say is one.

        A window longer than usual is meant: what is rare is counted over it, however short the lookback.
        """
        meant = not self.fresh or leaf.seconds > USUAL_WINDOW
        return leaf.seconds if meant else max(1, min(leaf.seconds, round(self.fresh)))

    def _join(self, join: Join) -> str:
        # The right side belongs to no service, and may be exported more than once: one value per label of the match.
        others = {name: value for name, value in self.selector.items() if name != self.labels.service}
        right = _Compiler(self.labels, {**others, join.on: None}, self.scope, self.fresh)
        priced = f"max by ({_label(join.on)}) ({right._series(join.right)})"
        product = f"{self._series(join.left)} * on ({_label(join.on)}) group_left () {priced}"
        return f"sum by ({self._by()}) ({product})"

    def _by(self, *more: str) -> str:
        return ", ".join(_label(name) for name in (*more, *self.labels.of(self.scope)))

    def _series(self, metric: Metric) -> str:
        if not _METRIC.match(metric.name):
            raise ValueError(f"{metric.name!r} is no metric name")
        return f"{metric.name}{{{', '.join(self._matchers(metric))}}}"

    def _matchers(self, metric: Metric) -> Iterator[str]:
        for name, value in self.selector.items():
            yield _matcher(name, value)
        for name, text in metric.where:
            yield f'{_label(name)}="{text.translate(_ESCAPES)}"'
        for name, text in metric.unless:
            yield f'{_label(name)}!="{text.translate(_ESCAPES)}"'


def _matcher(name: str, value: str | tuple[str, ...] | None) -> str:
    if value is None:
        return f'{_label(name)}!=""'
    if isinstance(value, str):
        return f'{_label(name)}="{value.translate(_ESCAPES)}"'
    choice = "|".join(_SPECIAL.sub(r"\\\1", text) for text in value)
    return f'{_label(name)}=~"{choice.translate(_ESCAPES)}"'


def _label(name: str) -> str:
    if not _LABEL.match(name):
        raise ValueError(f"{name!r} is no label name")
    return name
