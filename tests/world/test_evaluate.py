"""The evaluator against hand-made columns: it must say what a Prometheus would."""

from datetime import UTC, datetime

import numpy as np
import pytest

from simulator.world.evaluate import Labels, compile_specs, interpolate
from simulator.world.store import Store
from tools.signal import Gauge, Join, Metric, Quantile, Rate, Ratio, SignalSpec

LABELS: Labels = {
    "pod": {
        0: {"service": "chat", "pod": "a", "node": "n1"},
        1: {"service": "chat", "pod": "b", "node": "n2"},
        2: {"service": "code", "pod": "c", "node": "n2"},
    },
    "node": {0: {"node": "n1"}, 1: {"node": "n2"}},
}


def store() -> Store:
    made = Store({"pod": 4, "gpu": 1, "node": 2, "service": 1, "vendor": 1})
    made.add("depth", "pod")
    made.add("http", "pod", ((("status", "2xx"),), (("status", "5xx"),)))
    made.add_histogram("seconds", "pod", (1.0, 2.0))
    made.add("price", "node")
    made.seal()
    for row in range(3):
        made.born("pod", row)
    return made


def read(made: Store, spec: SignalSpec, at: float) -> dict[str, float]:
    program = compile_specs(made, LABELS, (spec,))
    return {key.entity: float(v) for key, v in zip(program.keys, program.run(at), strict=True)}


def spec(expr: Gauge | Rate | Quantile | Ratio | Join, scope: str = "service") -> SignalSpec:
    return SignalSpec("x", scope, expr, "1", "")  # type: ignore[arg-type]


def test_gauges_fold_over_the_series_of_an_entity() -> None:
    made = store()
    made.views["depth"][:3, 0] = (1, 2, 5)
    made.keep(30)
    assert read(made, spec(Gauge(Metric("depth"))), 30) == {"service/chat": 3, "service/code": 5}
    assert read(made, spec(Gauge(Metric("depth"), "avg")), 30)["service/chat"] == 1.5
    assert read(made, spec(Gauge(Metric("depth"), "max")), 30)["service/chat"] == 2
    assert read(made, spec(Gauge(Metric("depth"), "min")), 30)["service/chat"] == 1
    assert read(made, spec(Gauge(Metric("depth")), "replica"), 30)["replica/chat/b"] == 2


def test_a_rate_looks_at_its_window_only() -> None:
    made = store()
    for tick, value in enumerate((0, 1000, 1030, 1060, 1090, 1120)):
        made.views["http"][0, 0] = value
        made.keep(30.0 * tick)
    chat = read(made, spec(Rate(Metric("http"), 120)), 150)["service/chat"]
    assert chat == pytest.approx(1.0)  # the jump is older than the window


def test_a_counter_that_starts_again_at_zero_never_falls() -> None:
    made = store()
    for tick, value in enumerate((300, 330, 10, 40)):
        made.views["http"][0, 0] = value
        made.keep(30.0 * tick)
    rise = read(made, spec(Rate(Metric("http"), 120)), 90)["service/chat"] * 90
    assert rise == pytest.approx(30 + 10 + 30)


def test_a_series_of_one_sample_has_no_rate() -> None:
    made = store()
    made.keep(30)
    assert np.isnan(read(made, spec(Rate(Metric("http"))), 30)["service/chat"])


def test_a_ratio_counts_an_absent_numerator_as_nothing_and_nothing_over_nothing_as_no_data() -> None:
    made = store()
    errors = Ratio(Rate(Metric("http", (("status", "5xx"),))), Rate(Metric("http")))
    for tick in range(4):
        made.views["http"][0] += (90, 10)
        made.keep(30.0 * tick)
    found = read(made, spec(errors), 90)
    assert found["service/chat"] == pytest.approx(0.1)
    assert np.isnan(found["service/code"])  # no traffic is not health
    teapots = Ratio(Rate(Metric("http", (("status", "418"),))), Rate(Metric("http")))
    assert read(made, spec(teapots), 90)["service/chat"] == 0


def test_unless_leaves_series_out() -> None:
    made = store()
    for tick in range(4):
        made.views["http"][0] += (90, 30)
        made.keep(30.0 * tick)
    bad = Rate(Metric("http", unless=(("status", "2xx"),)))
    assert read(made, spec(bad), 90)["service/chat"] == pytest.approx(1.0)


def test_a_quantile_interpolates_inside_its_bucket_and_stops_at_the_last_edge() -> None:
    edges = np.array([1.0, 2.0])
    counts = np.array([[0, 10, 10], [10, 10, 10], [0, 0, 10], [0, 0, 0]], dtype=float)
    assert interpolate(0.5, edges, counts)[:3] == pytest.approx([1.5, 0.5, 2.0])
    assert np.isnan(interpolate(0.5, edges, counts)[3])


def test_a_quantile_of_a_service_adds_its_replicas_up() -> None:
    made = store()
    for tick in range(4):
        made.views["seconds_bucket"][0] += (10, 10, 10)
        made.views["seconds_bucket"][1] += (0, 10, 10)
        made.keep(30.0 * tick)
    assert read(made, spec(Quantile(0.75, Metric("seconds"))), 90)["service/chat"] == pytest.approx(1.5)


def test_a_join_multiplies_many_to_one() -> None:
    made = store()
    made.views["depth"][:3, 0] = (1, 2, 1)
    made.views["price"][:, 0] = (3, 5)
    made.keep(30)
    found = read(made, spec(Join(Metric("depth"), Metric("price"), on="node")), 30)
    assert found == {"service/chat": 13, "service/code": 5}


def test_what_is_not_kept_is_no_data() -> None:
    made = store()
    made.views["depth"][:3, 0] = 1
    made.keep(30)
    assert np.isnan(read(made, spec(Gauge(Metric("depth"))), 1000)["service/chat"])
    assert read(made, spec(Gauge(Metric("unheard_of"))), 30) == {}


def test_a_reused_row_starts_without_a_past() -> None:
    made = store()
    for tick in range(4):
        made.views["http"][0, 0] += 30
        made.keep(30.0 * tick)
    made.died("pod", 0)
    made.born("pod", 0)
    made.keep(120)
    assert np.isnan(read(made, spec(Rate(Metric("http")), "replica"), 120)["replica/chat/a"])


def test_frames_share_their_keys_until_the_set_of_series_changes(fleet: object) -> None:
    from simulator.world.world import World
    from tools.action import EvictReplica, Operation
    from tools.catalogue import SIGNALS

    world = World(fleet)  # type: ignore[arg-type]
    for _ in range(3):
        world.advance(30.0)
    first = world.metrics.read(SIGNALS, world.clock.now())
    world.advance(30.0)
    assert world.metrics.read(SIGNALS, world.clock.now()).keys is first.keys
    victim = world.cluster.topology().of("chat")[0]
    world.actuator.apply(EvictReplica(service="chat", replica=victim.name), Operation(id="1", incident="i", epoch=1))
    world.advance(30.0)
    after = world.metrics.read(SIGNALS, world.clock.now())
    assert f"replica/chat/{victim.name}" not in {key.entity for key in after.keys}
    assert after.at == world.clock.now() > datetime(2026, 1, 5, 8, tzinfo=UTC)
