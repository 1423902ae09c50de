"""One look: what was read, what slowly changes, and what is not known."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from agent.labelled import accuracy
from agent.observe import Observer, Senses
from config.fleet import Cadence
from tests.agent.handmade import FLEET, START, TICK, Records, rows, topology
from tools.errors import Absent, Transient
from tools.records import InferenceWindow
from tools.signal import Frame, SeriesKey, SignalSpec
from tools.topology import Topology


class Port(Records):
    """Metrics, cluster and clock that say what they are told, and count who asks."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[tuple[str, str], float] = {("error_ratio", "service/talk"): 0.5}
        self.keys: tuple[SeriesKey, ...] = ()
        self.at, self.windows = START, 0

    def now(self) -> datetime:
        return self.at

    def topology(self) -> Topology:
        return topology(self.at)

    def read(self, specs: Sequence[SignalSpec], at: datetime) -> Frame:
        keys = tuple(SeriesKey(*key) for key in self.values)
        self.keys = self.keys if keys == self.keys else keys
        return Frame(at, self.keys, np.array([*self.values.values()]))

    def history(self, *_: Any) -> tuple[Frame, ...]:
        return ()

    def window(
        self, service: str, start: datetime, end: datetime, *, labelled: bool = False, features: bool = True
    ) -> Any:
        self.windows += 1
        return super().window(service, start, end, labelled=labelled)


def observer(port: Any) -> Observer:
    return Observer(Senses(port, port, port, port, port, port), FLEET, Cadence(tick=TICK))


def test_a_value_is_read_and_what_is_nan_or_not_there_is_none() -> None:
    port = Port()
    port.values["waiting", "service/talk"] = float("nan")
    seen = observer(port).look()
    assert seen.value("error_ratio", "service/talk") == 0.5
    assert seen.value("waiting", "service/talk") is None
    assert seen.value("running", "service/talk") is None


def test_a_new_series_is_found_at_its_own_place() -> None:
    port = Port()
    eyes = observer(port)
    eyes.look()
    port.values = {("waiting", "service/talk"): 3.0, **port.values}
    seen = eyes.look()
    assert (seen.value("waiting", "service/talk"), seen.value("error_ratio", "service/talk")) == (3.0, 0.5)


def test_labels_are_looked_at_in_their_own_time() -> None:
    port = Port()
    port.rows = rows(400)
    eyes = observer(port)
    for _ in range(3):
        port.at += TICK
        eyes.look()
    assert port.windows == 1
    port.at = START + timedelta(minutes=62)
    assert eyes.look().value("accuracy", "service/score") == pytest.approx(0.9, abs=0.05)
    assert port.windows == 2


def test_no_log_and_no_labels_are_no_accuracy() -> None:
    port = Port()
    assert observer(port).look().value("accuracy", "service/score") is None
    port.rows = rows(400, known=0.0)
    assert accuracy(port, "score", START, START + timedelta(minutes=31)) is None


@pytest.mark.parametrize("error", [Transient("away"), Absent("none")])
def test_a_look_without_metrics_or_cluster_is_none_at_all(error: Exception) -> None:
    class Deaf(Port):
        def topology(self) -> Topology:
            raise error

    with pytest.raises(type(error)):
        observer(Deaf()).look()


def test_accuracy_of_one_version_is_that_of_its_own_answers() -> None:
    port = Port()
    port.rows = rows(400, right=0.6)
    late = START + timedelta(minutes=31)
    found = accuracy(port, "score", START, late, version="v2")
    assert found is not None
    assert found.low < found.accuracy < found.high
    assert accuracy(port, "score", START, late, version="v9") is None


def test_labels_are_an_echo_only_where_so_much_luck_is_not_to_be_believed() -> None:
    port = Port()
    port.rows, port.old = rows(600, right=1.0), rows(600, right=0.9)
    end = START + timedelta(minutes=30)
    found = accuracy(port, "score", START, end)
    assert found is not None
    assert found.echo
    port.old = rows(600, right=1.0)  # it always was that good
    assert not accuracy(port, "score", START, end).echo  # type: ignore[union-attr]
    port.old = None
    assert not accuracy(port, "score", START, end).echo  # type: ignore[union-attr]
    port.rows, port.old = rows(600, right=0.99), rows(600, right=0.9)
    assert not accuracy(port, "score", START, end).echo  # type: ignore[union-attr]


def looked(port: Port, eyes: Observer, after: timedelta) -> float | None:
    """Look once more, so much later."""
    port.at += after
    return eyes.look().value("accuracy", "service/score")


def late(port: Port, delay: timedelta) -> None:
    """Let one answer a minute have come for two days, labelled after so long."""
    at = np.arange((START - timedelta(days=2)).timestamp(), port.at.timestamp(), 5.0)
    labels = np.where(at <= (port.at - delay).timestamp(), 1.0, np.nan)
    versions, features = np.full(len(at), "v2"), np.zeros((len(at), 1))
    port.rows = InferenceWindow("score", ("x",), at, features, np.full(len(at), 0.9), labels, versions)


def test_labels_are_found_however_late_they_come() -> None:
    port, delay = Port(), timedelta(hours=20)
    eyes, found = observer(port), []
    for _ in range(8):
        late(port, delay)
        found.append(looked(port, eyes, timedelta(minutes=5)))
    assert found[:3] == [None] * 3  # one hour back, four, sixteen
    assert found[3:] == [1.0] * 5
    late(port, timedelta(hours=26))  # later than they were: seen at once
    assert looked(port, eyes, timedelta(minutes=5)) == 1.0


def test_labels_that_stop_are_not_taken_for_late_ones() -> None:
    port = Port()
    eyes = observer(port)
    late(port, timedelta(minutes=20))
    assert looked(port, eyes, timedelta(minutes=5)) == 1.0
    assert looked(port, eyes, timedelta(minutes=20)) == 1.0  # the same ones, still within three times the delay
    assert [looked(port, eyes, timedelta(hours=1)) for _ in range(6)] == [None] * 6
    late(port, timedelta(hours=2))  # they come again, later than before
    assert 1.0 in [looked(port, eyes, timedelta(minutes=5)) for _ in range(6)]
