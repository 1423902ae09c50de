"""What goes wrong: turns the mutations of a scenario into changes of the world's coefficients.

Lasting mutations set levels, recomputed every tick; others happen once, or every so often. Whom they hit and how hard
is drawn from streams that belong to the scenario alone.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from simulator.world import scaling
from simulator.world.ails import Ail
from simulator.world.body import Body
from simulator.world.cue import Cue
from simulator.world.events import Kind
from simulator.world.gaps import missing
from simulator.world.leak import leak
from simulator.world.ledger import Happened
from simulator.world.mend import mend
from simulator.world.pods import Effect, Pod
from simulator.world.profile import GPUS_PER_NODE
from simulator.world.reclaim import reclaim
from simulator.world.restored import restored
from simulator.world.script import DRIFTS, ONCE, ROUTES, Scenario

ROUTINE = 2 * 86400.0  # mean seconds between harmless releases that other teams make
_CLIENTS = frozenset(("tries", "budget", "backoff", "timeout"))
_SERVED = frozenset(("skew", "outdated"))  # what replicas do to rows and answers


class Stage:
    """Plays a scenario, and the harmless changes that happen in every run."""

    def __init__(self, body: Body, scenario: Scenario | None) -> None:
        self._body = body
        self._streams = body.streams
        self.scenario = scenario
        self.names: dict[str, str] = {}
        self.beside: set[str] = set()
        self.onset: datetime | None = None
        self._cues: list[Cue] = []
        self._cast_as: dict[str, Pod] = {}
        self._routine = body.streams.named("routine")
        self._next_routine = body.clock.now() + timedelta(seconds=ROUTINE * float(self._routine.random()))
        if scenario is not None:
            self._cast(scenario)

    def _cast(self, scenario: Scenario) -> None:
        start = self._body.clock.now()
        self.onset = start + timedelta(seconds=round(self._streams.uniform("onset", *scenario.onset)))
        target = self._streams.choice("target", scenario.target) if scenario.target else ""
        self.names = {"service": target}
        model = self._body.services[target].model if target else ""
        if model:
            self.names["model"] = model
        for number, mutation in enumerate(scenario.mutations):
            service = self._streams.choice(f"target/{number}", mutation.target) if mutation.target else target
            values = {
                name: value if isinstance(value, float) else self._streams.uniform(f"{number}/{name}", *value)
                for name, value in mutation.params.items()
            }
            at = self.onset + timedelta(seconds=mutation.at)
            cue = Cue(mutation, service, values, at, key=mutation.text if mutation.what == "gap" else "", next_at=at)
            if mutation.what in ROUTES or mutation.carrier == "vendor":
                vendor = self._body.services[service].vendors[0]
                cue.route = self._body.vendors.row(service, vendor)
                self.names.setdefault("vendor", vendor)  # of the first: the truth is about that one
            self._cues.append(cue)

    def happened(self) -> Happened | None:
        """Return the truth of this run, with names filled in as far as they are known by now."""
        if self.scenario is None:
            return None
        truth, entity = self.scenario.truth, self.scenario.truth.entity
        for name in sorted(self.names, key=len, reverse=True):
            entity = entity.replace(f"${name}", self.names[name])
        return Happened(
            truth, entity, self.names.get("service", ""), self.onset if truth.fault else None, frozenset(self.beside)
        )

    def restored(self) -> bool:
        """Say whether all is so now that the truth wants for a cure, beside the objectives."""
        conditions = () if self.scenario is None else self.scenario.truth.restore
        brought = frozenset(cue.made for cue in self._cues if cue.mutation.what == "promote")
        return all(restored(each, self.names.get("service", ""), brought, self._body) for each in conditions)

    def mend(self, numbers: Iterable[int]) -> None:
        """Let a person take away what these mutations of the scenario did."""
        for number in numbers:
            mend(self._cues[number], self._body)

    # -- every tick ------------------------------------------------------------------------------------------------
    def play(self, now: datetime) -> None:
        """Apply everything that is due."""
        self._routine_release(now)
        self._body.knobs.reset()
        self._body.ails.clear()
        self._body.leaks.clear()
        self._body.pods.leaving.clear()
        for cue in self._cues:
            if cue.mutation.what not in ONCE:
                self._hold(cue, now)
            elif cue.next_at is not None and now >= cue.next_at:
                self._once(cue, now)

    def _routine_release(self, now: datetime) -> None:
        if now < self._next_routine:
            return
        gap, pick = self._routine.random(2)
        self._next_routine = now + timedelta(seconds=ROUTINE * (0.5 + float(gap)))
        names = sorted(self._body.pods.workloads)
        self._release(names[int(pick * len(names))], Effect(), ("routine release", "ci"), now)

    def _hold(self, cue: Cue, now: datetime) -> None:
        level = cue.level(now)
        if level <= 0 and cue.gpu < 0 and not cue.on:
            return
        lasts = cue.mutation.what in (*DRIFTS, "autoscaler") or bool(_SERVED & set(cue.values))
        cue.on = level > 0 and lasts  # what answers are made of stays as it is until it is turned back
        if cue.service:
            cue.sustain(now, float(self._body.failing[self._body.index[cue.service]]))
        special: dict[str, Callable[[Cue, float], None]] = {
            "heat": self._heat,
            "ail": self._ail,
            "vendor_errors": self._vendor,
            "vendor_slow": self._vendor,
            "own": lambda cue, _: self._body.knobs.own.add(cue.mutation.text),
            "gap": self._gap,
            "autoscaler": self._autoscaler,
            "reclaim": self._reclaim,
            "leak": self._leak,
        }
        if cue.mutation.also:
            self.beside.add(cue.service)
        special.get(cue.mutation.what, self._turn)(cue, level)

    def _turn(self, cue: Cue, level: float) -> None:
        """Turn one coefficient."""
        body, knobs, what = self._body, self._body.knobs, cue.mutation.what
        if what == "label_delay":
            knobs.label_delay[cue.service] = 1 + level * (cue.values["factor"] - 1)
        elif what in ("noise", "bursts", "price"):
            setattr(knobs, what, getattr(knobs, what) * (1 + level * (cue.values["factor"] - 1)))
        elif what in DRIFTS:
            body.quality.shift(cue.service, what, level * cue.values["amount"])
        elif what == "errors":
            knobs.errors[body.index[cue.service]] += level * cue.values["rate"]
        else:
            array = getattr(knobs, what)
            array[body.index[cue.service]] *= 1 + level * (cue.values["factor"] - 1)

    def _gap(self, cue: Cue, level: float) -> None:
        """Let nobody scrape the metric that the text names, or where it names none, some of the patient's."""
        del level
        if not cue.key:
            drawn = missing(self._body.services[cue.service], self._streams, frozenset(self._body.store.families))
            cue.key = " ".join(sorted(drawn))
        self._body.knobs.gaps.update(cue.key.split())

    def _vendor(self, cue: Cue, level: float) -> None:
        knobs = self._body.knobs
        if cue.mutation.what == "vendor_errors":
            knobs.vendor_errors[cue.route] += level * cue.values["rate"]
        else:
            knobs.vendor_slow[cue.route] *= 1 + level * (cue.values["factor"] - 1)

    def _autoscaler(self, cue: Cue, level: float) -> None:
        """Let somebody else scale the service while it lasts."""
        if level <= 0:
            scaling.take_away(cue, self._body)
        elif cue.service not in self._body.autoscalers:
            scaling.set_up(cue, self._body)

    def _reclaim(self, cue: Cue, level: float) -> None:
        """Let the provider take back the node beneath one replica."""
        del level
        body, now = self._body, self._body.clock.now()
        cue.key = cue.key or self._chosen(cue.service, "node")
        ail = reclaim(cue, body, now)
        if ail is not None:
            body.ails.append(ail)
            self.beside |= {pod.service for pod in ail.sufferers(body.pods)} - {cue.service}

    def _leak(self, cue: Cue, level: float) -> None:
        cue.key = cue.key or self._chosen(cue.service, "replica")
        ail = leak(cue, self._body, level, self._body.clock.now())
        if ail is not None and ail.level > 0:
            self._body.ails.append(ail)

    def _ail(self, cue: Cue, level: float) -> None:
        cue.key = cue.key or self._carrier(cue, self._body.clock.now())
        knobs, values, place = self._body.knobs, cue.values, self._body.index[cue.service]
        knobs.traffic[place] *= 1 + level * (values.get("traffic", 1.0) - 1)
        if level > 0:
            self._clients(place, values)
        if cue.mutation.carrier == "vendor":
            knobs.vendor_errors[cue.route] += level * values.get("errors", 0.0)
            knobs.vendor_slow[cue.route] *= 1 + level * (values.get("slow", 1.0) - 1)
            knobs.vendor_throttled[cue.route] = values.get("throttled", 0.0)
            knobs.vendor_nonsense[cue.route] = values.get("nonsense", 0.0)
            return
        ail = Ail(cue.mutation.carrier, cue.key, cue.service, level, values, {**cue.mutation.marks})
        if level > 0:
            self._body.ails.append(ail)
        for what in _SERVED & set(values):
            self._body.quality.shift(cue.service, what, level * values[what] * ail.share(self._body.pods))
        self.beside |= {pod.service for pod in ail.sufferers(self._body.pods)} - {cue.service}

    def _clients(self, place: int, values: Mapping[str, float]) -> None:
        """Let clients call as the ail says, where it says anything about them."""
        for name in _CLIENTS & set(values):
            getattr(self._body.knobs, name)[place] = values[name]

    def _carrier(self, cue: Cue, now: datetime) -> str:
        """Choose what an ail sits on, and name it for the truth."""
        match cue.mutation.carrier:
            case "service" | "vendor":
                return cue.service
            case "revision":
                key = f"ail-{self._cues.index(cue)}"
                told = (cue.mutation.text, cue.mutation.actor)
                self._release(cue.service, Effect(ail=key), told, now, cue.mutation.kind)
                return key
            case carrier:
                return self._chosen(cue.service, carrier)

    def _chosen(self, service: str, carrier: str) -> str:
        """Choose a replica, or what is beneath it, and name it for the truth."""
        pod = self._victim(service)
        self._name(pod)
        machine = self._body.pods.machines[pod.gpu // GPUS_PER_NODE]
        return {"replica": pod.name, "gpu": str(pod.gpu), "node": machine.name}.get(carrier, machine.zone)

    def _heat(self, cue: Cue, level: float) -> None:
        if cue.gpu < 0:
            pod = self._victim(cue.service)
            cue.gpu = pod.gpu
            self._name(pod)
        self._body.hardware.clock[cue.gpu] = 1 - level * (1 - cue.values["clock"])

    # -- happenings ------------------------------------------------------------------------------------------------
    def _once(self, cue: Cue, now: datetime) -> None:
        cue.times += 1
        every = cue.mutation.every
        cue.next_at = now + timedelta(seconds=every) if every is not None else None
        if every is not None and not cue.mutation.target and not self.names.get("service"):
            raise ValueError(f"{cue.mutation.what}: a repeated happening needs targets")
        if cue.times > 1 and cue.mutation.target:
            cue.service = self._streams.choice(f"again/{cue.mutation.what}/{cue.times}", cue.mutation.target)
        happen: dict[str, Callable[[Cue], None]] = {
            "gpu_lost": self._gpu_lost,
            "hang": self._hang,
            "restart": self._restart,
            "release": self._bad_release,
            "promote": self._promote,
            "scale": self._scale,
            "owner": self._owner,
        }
        happen[cue.mutation.what](cue)
        if cue.mutation.also:
            self.beside.add(cue.service)

    def _victim(self, service: str) -> Pod:
        """Return the replica of a service that is hit; always the same one of a run while it lives."""
        pods = sorted((p for p in self._body.pods.of(service) if p.ready and p.gpu >= 0), key=lambda p: p.name)
        if not pods:
            pods = sorted(self._body.pods.of(service), key=lambda p: p.name)
        place = math.floor(self._streams.uniform(f"victim/{service}") * len(pods))
        return pods[place]

    def _name(self, pod: Pod) -> None:
        """Note whom the truth is about: the first that is hit, whoever is hit after."""
        machine = self._body.pods.machines[pod.gpu // GPUS_PER_NODE]
        gpu = f"{machine.name}/{pod.gpu % GPUS_PER_NODE}"
        self.names = {"replica": pod.name, "node": machine.name, "gpu": gpu, "zone": machine.zone} | self.names

    def _gpu_lost(self, cue: Cue) -> None:
        body = self._body
        pod = self._victim(cue.service)
        self._name(pod)
        cue.gpu = pod.gpu
        body.pods.lost[pod.gpu] = True
        body.hardware.report([pod.gpu], round(cue.values.get("xid", 79.0)))
        body.crash(pod)

    def _hang(self, cue: Cue) -> None:
        pod = self._victim(cue.service)
        self._name(pod)
        pod.hung = True
        self._body.engines.hang(pod.row)

    def _restart(self, cue: Cue) -> None:
        ready = [p for p in self._body.pods.of(cue.service) if p.ready]
        if len(ready) > 1:
            self._body.restart(self._victim(cue.service), cue.values.get("seconds", 45.0))

    def _bad_release(self, cue: Cue) -> None:
        if cue.service not in self._body.pods.workloads:
            return  # a vendor's releases are not ours to see
        v = cue.values
        effect = Effect(
            errors=v.get("errors", 0.0),
            slow=v.get("slow", 1.0),
            output=v.get("output", 1.0),
            prompt=v.get("prompt", 1.0),
        )
        now = self._body.clock.now()
        self._release(cue.service, effect, (cue.mutation.text, cue.mutation.actor), now)
        cue.made = self._body.pods.workloads[cue.service].current

    def _release(
        self, service: str, effect: Effect, told: tuple[str, str], now: datetime, kind: Kind = "release"
    ) -> None:
        pods, (text, actor) = self._body.pods, told
        if effect == Effect():
            # A harmless release on top of whatever runs: the code that is in there stays in there.
            effect = pods.workloads[service].effects.get(pods.workloads[service].current, effect)
        before, after = pods.release(service, text, effect, now)
        self._body.changes.add(now, kind, f"service/{service}", actor, (before, after), text)

    def _promote(self, cue: Cue) -> None:
        quality, model = self._body.quality, self._body.services[cue.service].model
        cue.stood = quality.alias(model, "champion")
        quality.promote_worse(cue.service, cue.values, (cue.mutation.actor, cue.mutation.text))
        cue.made = quality.alias(model, "champion")

    def _owner(self, cue: Cue) -> None:
        workload = self._body.pods.workloads.get(cue.service)
        if workload is not None:
            workload.owners = (cue.mutation.text,)

    def _scale(self, cue: Cue) -> None:
        workload = self._body.pods.workloads[cue.service]
        before = workload.wanted
        room = min(self._body.pods.free_gpus(), workload.service.max_replicas - before)
        workload.wanted = before + max(1, min(room, round(cue.values["add"])))
        step = (str(before), str(workload.wanted))
        entity = f"service/{cue.service}"
        self._body.changes.add(self._body.clock.now(), "scale", entity, cue.mutation.actor, step, cue.mutation.text)
