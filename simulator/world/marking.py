"""Marks in the world: the exporters' series that speak of one cause alone, at rest unless an ail shows them."""

from collections.abc import Iterable
from datetime import datetime

import numpy as np
from numpy.typing import ArrayLike

from config.fleet import ServiceKind
from simulator.world.ails import Ail
from simulator.world.background import Background
from simulator.world.hardware import Hardware
from simulator.world.pods import Pods
from simulator.world.rows import Rows
from simulator.world.store import Axis, Store, Variant
from tools.marks import MARKS, Mark
from tools.signal import Gauge, Metric, Rate, Ratio, Scope

AXES: dict[Scope, Axis] = {"service": "service", "replica": "pod", "node": "node", "gpu": "gpu", "vendor": "vendor"}
REST = {  # what a series reads, or counts in a second, when nothing is wrong; 0 for the rest
    "container_cpu_cfs_periods_total": 10.0,
    "container_cpu_cfs_throttled_periods_total": 0.2,
    "vllm:request_prompt_tokens_bucket": 0.97,
    "vllm:request_prompt_tokens_count": 1.0,
    "process_cpu_seconds_total": 0.35,
    "DCGM_FI_DEV_FB_FREE": 18_000.0,
    "litellm_cache_hits_metric_total": 0.8,
    "litellm_cache_misses_metric_total": 1.0,
    "nv_cache_num_hits_per_model": 0.05,
    "nv_cache_num_misses_per_model": 1.0,
    "feast_feature_freshness_seconds": 240.0,
}
NAMED = {mark.finding: mark for mark in MARKS}
QUOTA = {"used": 16.0, "hard": 24.0}  # GPUs of the namespace


def axis_of(mark: Mark, metric: Metric) -> Axis:
    """Return what a series is about: dcgm-exporter speaks of GPUs, even where it names the pod on them."""
    return "gpu" if metric.name.startswith("DCGM_") else AXES[mark.spec.scope]


def leaves(mark: Mark) -> list[tuple[Metric, bool]]:
    """Return the raw metrics of a mark, the one that shows it first, and whether each is a counter."""
    match mark.spec.expr:
        case Gauge() | Rate() as leaf:
            return [(leaf.metric, isinstance(leaf, Rate))]
        case Ratio(above=above, below=below):
            return [(leaf.metric, isinstance(leaf, Rate)) for leaf in (above, below)]
    raise ValueError(f"{mark.finding}: not a mark's expression")


class Marking:
    """Declares and writes the marks' series."""

    def __init__(self, store: Store, hardware: Hardware, background: Background) -> None:
        self._hardware = hardware
        self._background = background
        self._views = store.views
        self._families = store.families
        self._own: dict[str, bool] = {}  # metric that nobody else writes -> counter
        variants: dict[str, list[Variant]] = {}
        for mark in MARKS:
            for metric, _ in leaves(mark):
                if metric.where not in variants.setdefault(metric.name, []):
                    variants[metric.name].append(metric.where)
        for mark in MARKS:
            for metric, counter in leaves(mark):
                if metric.name not in store.families:
                    only = ServiceKind.LANGUAGE.value if metric.name.startswith("vllm:") else ""
                    store.add(metric.name, axis_of(mark, metric), tuple(variants[metric.name]), only)
                    self._own[metric.name] = counter

    def tick(self, ails: Iterable[Ail], pods: Pods, rows: Rows, time: tuple[datetime, float]) -> None:
        """Write every mark: at rest, as in any healthy fleet, then as the ails say. ``time``: now, and seconds."""
        now, seconds = time
        for name, counter in self._own.items():
            view, rest = self._views[name], REST.get(name, 0.0)
            view[:] = view + rest * seconds if counter else view * 0.0 + rest  # NaN stays: no series
        if "kube_resourcequota" in self._own:
            for place, variant in enumerate(self._families["kube_resourcequota"][0].variants):
                self._views["kube_resourcequota"][:, place] = QUOTA[dict(variant)["type"]]
        for shown in self._background.tick(rows, pods, now, seconds):
            self._show(NAMED[shown.finding], shown.rows, shown.value, seconds)
        for ail in ails:
            for finding, value in ail.marks.items() if ail.level > 0 else ():
                self._ail(ail, NAMED[finding], value, (pods, rows), seconds)

    def _ail(self, ail: Ail, mark: Mark, value: float, where: tuple[Pods, Rows], seconds: float) -> None:
        pods, rows = where
        if leaves(mark)[0][0].name == "DCGM_FI_DEV_XID_ERRORS":  # only work meets with errors; the last stays on show
            self._hardware.report([gpu for gpu in ail.gpus(pods) if pods.owner[gpu] is not None], round(value))
        elif mark.side == "absent":
            self._hardware.silence(ail.gpus(pods))
        else:
            self._show(mark, _rows(ail, mark, pods, rows.index), value, seconds)

    def _show(self, mark: Mark, rows: ArrayLike, value: float, seconds: float) -> None:
        """Write what a mark reads; who has no such series, as a tabular service has none of an engine's, gets none."""
        metric, counter = leaves(mark)[0]
        view, place = self._views[metric.name], _variant(self._families[metric.name][0].variants, metric.where)
        where = np.asarray(rows, dtype=np.intp)
        before = view[where, place]
        if counter:
            rest = REST.get(metric.name, 0.0) * (metric.name in self._own)
            view[where, place] = before + (value - rest) * seconds
        else:
            view[where, place] = np.where(np.isnan(before), before, value)


def _variant(variants: tuple[Variant, ...], where: Variant) -> int:
    return next(i for i, variant in enumerate(variants) if set(where) <= set(variant))


def _rows(ail: Ail, mark: Mark, pods: Pods, services: dict[str, int]) -> list[int]:
    match axis_of(mark, leaves(mark)[0][0]):
        case "service":
            return [services[ail.service]]
        case "pod":
            return [pod.row for pod in (ail.downed(pods) or ail.sufferers(pods))]
        case "gpu":
            return ail.gpus(pods)
        case "node":
            return ail.nodes(pods)
        case "vendor":
            return []
