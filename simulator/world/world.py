"""The pretend fleet in virtual time. ``advance`` is one tick; the ports answer as of the last one."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np

from config.fleet import Fleet, ServiceKind
from simulator.world import leak, scaling
from simulator.world.actuate import WorldActuator
from simulator.world.again import asked, further_tries
from simulator.world.ails import afflict
from simulator.world.body import Body, VirtualClock
from simulator.world.faults import Stage
from simulator.world.flow import Load, Result, tally
from simulator.world.ledger import Ledger
from simulator.world.metrics import WorldMetrics
from simulator.world.profile import BASE_ERROR, profile_of
from simulator.world.quality import WorldLog, WorldRegistry
from simulator.world.reading import WorldCluster, WorldServing
from simulator.world.script import Scenario
from simulator.world.store import Floats
from simulator.world.truths import Truths

START = datetime(2026, 1, 5, 8, tzinfo=UTC)  # a Monday morning
NOISE = 0.04  # sigma of latencies from tick to tick


class World:
    """A fleet, its weather, what goes wrong in it, and the ports that look at it and act on it."""

    def __init__(self, fleet: Fleet, seed: int = 7, start: datetime = START, scenario: Scenario | None = None) -> None:
        body = Body(fleet, seed, start)
        self._body = body
        self._stage = Stage(body, scenario)
        self._fleet = fleet
        self._ledger = Ledger(body.fleet)
        self._ledger.happened = self._stage.happened()
        self._metrics = WorldMetrics(body.store, body.labels, partial(getattr, body.pods, "version"))
        self._cluster = WorldCluster(body.pods, body.changes, body.clock, body.fills)
        self._serving = WorldServing(body.pods, body.vendors, body.quality, body.clock)
        self._actuator = WorldActuator(
            body.pods,
            body.vendors,
            body.quality,
            body.changes,
            body.clock,
            self._ledger.actions.append,
            body.fills,
            body.owners,
        )
        self._truths = Truths(body)
        self._tick = 0
        self._last = Result.empty(len(body.fleet.services))
        self._first = self._repeated = np.zeros(len(body.fleet.services))  # calls of this tick
        kinds = [service.kind for service in body.fleet.services]
        self._base_error = np.array([BASE_ERROR[kind] for kind in kinds])
        priced = [profile_of(s).price if s.kind is ServiceKind.LANGUAGE else 0.0 for s in body.fleet.services]
        self._price = np.array(priced)

    @property
    def fleet(self) -> Fleet:
        """What runs here, batch work included."""
        return self._fleet

    @property
    def body(self) -> Body:
        """The moving parts, for the servers of the twin; no truth about what is wrong is in them."""
        return self._body

    @property
    def clock(self) -> VirtualClock:
        """Virtual time."""
        return self._body.clock

    @property
    def ledger(self) -> Ledger:
        """The truth, for scoring."""
        return self._ledger

    @property
    def metrics(self) -> WorldMetrics:
        """The Metrics port."""
        return self._metrics

    @property
    def cluster(self) -> WorldCluster:
        """The Cluster port."""
        return self._cluster

    @property
    def registry(self) -> WorldRegistry:
        """The Registry port."""
        return self._body.quality.registry

    @property
    def log(self) -> WorldLog:
        """The InferenceLog port."""
        return self._body.quality.log

    @property
    def serving(self) -> WorldServing:
        """The Serving port."""
        return self._serving

    @property
    def actuator(self) -> WorldActuator:
        """The Actuator port."""
        return self._actuator

    @property
    def troubled(self) -> Callable[[str], bool]:
        """What says whether a trouble of the controller's own lasts now; it leads to nothing else of the world."""
        return self._body.knobs.own.__contains__

    def mend(self, numbers: Iterable[int]) -> None:
        """Let a person repair what these mutations of the scenario did; nobody else can."""
        self._stage.mend(numbers)

    def utilisation(self) -> float:
        """Return the mean utilisation of the GPUs that replicas hold, 0..100; NaN where there are none."""
        held = [gpu for gpu, pod in enumerate(self._body.pods.owner) if pod is not None]
        return float(self._body.hardware.busy[held].mean()) if held else float("nan")

    def utilisation_by_users(self) -> float:
        """Return what of that the replicas compute themselves: all of it, where no batch work shares."""
        if not self._fleet.batches:
            return self.utilisation()
        held = [gpu for gpu, pod in enumerate(self._body.pods.owner) if pod is not None]
        return float(np.nanmean(self._body.hardware.own[held])) if held else float("nan")

    @property
    def batch_hours(self) -> dict[str, float]:
        """GPU-hours of batch work done so far, by batch service."""
        return self._body.fills.done

    def ready(self) -> dict[str, int]:
        """Return the replicas that take requests, by service that has any to run; for scoring alone."""
        found = dict.fromkeys(self._body.pods.workloads, 0)
        for pod in self._body.pods.pods.values():
            found[pod.service] += pod.ready
        return found

    # -- a tick ----------------------------------------------------------------------------------------------------
    def advance(self, seconds: float = 30.0) -> None:
        """Let ``seconds`` of virtual time pass as one tick."""
        body = self._body
        body.clock.at += timedelta(seconds=seconds)
        now = body.clock.at
        self._tick += 1
        self._stage.play(now)
        body.owners.tick(now)
        body.pods.step(now)
        body.rows.refresh(body.pods, self._tick)
        if body.fills.workloads:
            body.fills.step(body.pods, now)
            body.fills.press(body.rows, body.hardware, now)
        if body.ails:
            afflict(body.ails, body.pods, body.rows)
            body.rows.rebalance()
        body.hardware.price = body.knobs.price
        body.quality.log.late = body.knobs.label_delay
        self._serve(seconds)
        body.autoscale()
        util = np.maximum(body.engines.util, body.scoring.util)
        body.hardware.tick(body.rows, util, body.weather.measurement(), seconds)
        body.fills.work(body.hardware, seconds, now)
        body.marking.tick(body.ails, body.pods, body.rows, (now, seconds))
        scaling.show(body)
        leak.show(body)
        body.quality.tick(now, seconds)
        body.store.keep(now.timestamp())
        for name in sorted(body.knobs.gaps):
            body.store.blank(name)
        self._metrics.remember(now)
        self._account(seconds)

    def _serve(self, seconds: float) -> None:
        body, knobs = self._body, self._body.knobs
        jitter = body.weather.jitter()
        arrivals = body.weather.arrivals(body.clock.at, seconds, knobs.bursts)
        prompt, output = body.weather.lengths(arrivals)
        through, delay = body.coupling.reach(self._last)
        self._first = np.round(arrivals * knobs.traffic)
        more = body.clients.more(self._last.errors, self._base_error, knobs, seconds)
        self._repeated = np.round(self._first * more)
        body.clients.count(self._first, self._repeated)
        load = Load(
            seconds=seconds,
            arrivals=self._first + self._repeated,
            prompt=prompt * knobs.prompt,
            output=output * knobs.output,
            errors=1 - (1 - self._base_error) * (1 - np.minimum(knobs.errors, 1.0)) * (1 - through),
            delay=delay,
            slow=knobs.slow,
            clock=body.hardware.clock,
            jitter=jitter,
            noise=NOISE * knobs.noise,
            tries=knobs.tries,
            timeout=knobs.timeout,
        )
        body.vendors.throttled, body.vendors.nonsense = knobs.vendor_throttled, knobs.vendor_nonsense
        body.vendors.errors, body.vendors.slow = np.minimum(knobs.vendor_errors, 1.0), knobs.vendor_slow
        parts = (
            body.engines.tick(load, body.rows),
            body.scoring.tick(load, body.rows),
            body.vendors.tick(load, jitter),
        )
        unserved = load.arrivals * self._unserved()
        self._last = Result(*(sum(column) for column in zip(*(p.columns() for p in parts), strict=True)))
        self._last.failed = self._last.failed + unserved
        self._last.errors = self._last.failed / np.maximum(self._last.finished + self._last.failed, 1e-9)
        body.failing = self._last.errors

    def _unserved(self) -> Floats:
        """Return 1 for services that should have a replica in the balancer and have none."""
        ready = self._body.rows.sum(self._body.rows.share)
        return np.array(
            [float(name in self._body.pods.workloads and ready[i] == 0) for name, i in self._body.index.items()]
        )

    def _account(self, seconds: float) -> None:
        """Write the truth of this tick down."""
        body, ledger, last = self._body, self._ledger, self._last
        readings = self._truths.read(last)
        right = self._truths.right(readings)
        calls = last.finished + last.failed
        ledger.calls += calls
        ledger.failed_calls += last.failed
        ledger.requests += asked(calls, further_tries(last.errors, body.knobs.tries, body.knobs.budget))
        ledger.good_requests += last.fast * right
        ledger.arrived += self._first
        ledger.repeated += self._repeated
        ledger.tokens += last.tokens
        fees = tally(body.vendors.service, body.vendors.money, len(body.index))
        ledger.spend = body.hardware.spend() + fees * 3600 / seconds
        ledger.money += ledger.spend * seconds / 3600 + last.tokens / 1000 * self._price
        ledger.happened = self._stage.happened()
        ledger.keep(body.clock.at, readings, self._stage.restored())
