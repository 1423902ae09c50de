"""Tensors: the same eyes on PyTorch, for fleets that live on a GPU; same interface, same state, same numbers.

One functional step over all series at once: every array of the state becomes a new tensor, and series without a usable
value keep their old one. What is written here is held to the NumPy engine, detector by detector, by a contract test.
PyTorch is heavy: nothing imports this module unless it is asked for.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent.eyes.block import CALM, STRANGE, Block, Said
from agent.eyes.columns import Reals, State
from agent.eyes.contract import Reading
from agent.eyes.engine import SIZE, Alarm, Step
from agent.eyes.intake import usable
from agent.eyes.levels import LEAST, SCALES
from agent.eyes.mute import SHARE, SHORTEST
from agent.eyes.records import CAP, FLAT, FLAT_FROM, HALF_FADED, STEEP, YOUNG
from agent.eyes.restless import STEPS, WEIGHT
from agent.eyes.saved import joined, pack, unpack
from agent.eyes.season import SHORT, SLOWEST, TREND, bins

Tensors = dict[str, Tensor]
LEVEL, HOUR, UNREST = "levels", "season", "restless"


class TensorEyes:
    """Stands in for ``agent.eyes.engine.Eyes`` where ``device`` (``cpu``, ``cuda``) should do the work."""

    def __init__(self, series: int, threshold: float, device: str = "cpu", most: int = 1_000_000) -> None:
        self.threshold, self._device, self._most = threshold, torch.device(device), most
        self._last_at: NDArray[np.float64] = np.empty(0)
        self._take(self._moved(Block(series).state()))

    def update(self, at: "float | NDArray[np.float64]", values: NDArray[np.float64]) -> Step:
        """Take a reading of every series, NaN for NO DATA; ``at``: one instant, or one for each series."""
        if len(values) != self.series:
            raise ValueError(f"{len(values)} values for {self.series} series")
        instants, refused = np.broadcast_to(np.asarray(at, np.float64), values.shape), Counter[str]()
        fit = usable(instants, values, self._last_at, refused)
        if not fit.any():
            return Step(np.zeros(len(values), np.float32), (), refused)
        self._last_at = np.where(fit, instants, self._last_at)
        statistics, news = self._step(fit, np.where(fit, instants, 0.0), np.where(fit, values, 0.0))
        return Step(news, tuple(self._alarms(statistics, news, values)), refused)

    def grow(self, more: int) -> int:
        """Append series, as many as there is room for; return how many."""
        more = min(more, self._most - self.series)
        if more > 0:
            fresh = self._moved(Block(more).state())
            self._take({name: torch.cat([tensor, fresh[name]], dim=-1) for name, tensor in self._of.items()})
        return more

    def forget(self, series: NDArray[np.intp]) -> None:
        """Forget what is known of some series: their rows are as new."""
        if len(series):
            fresh, rows = self._moved(Block(len(series)).state()), torch.from_numpy(series).to(self._device)
            self._take({name: tensor.index_copy(-1, rows, fresh[name]) for name, tensor in self._of.items()})

    def silent(self, at: float, patience: float) -> NDArray[np.intp]:
        """Return the series without a usable value for more than ``patience`` seconds: NO DATA, never an alarm."""
        (found,) = np.nonzero(at - self._last_at > patience)
        return found

    def state(self) -> State:
        """Return every array, in the blocks in which the NumPy engine keeps it."""
        whole = {name: tensor.cpu().numpy() for name, tensor in self._of.items()}
        return {
            f"{place}.{name}": array[..., start : start + SIZE]
            for place, start in enumerate(range(0, self.series, SIZE))
            for name, array in whole.items()
        }

    def save(self) -> bytes:
        """Return the whole state, compressed."""
        return pack(self.state(), {"series": self.series})

    def restore(self, saved: bytes) -> None:
        """Go on from what this engine or the other saved, for as many series; ``ValueError`` when it does not fit."""
        self.restore_state(unpack(saved)[0])

    def restore_state(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what ``state`` returned, here or there."""
        block = Block(self.series)
        if self.series:
            block.restore(joined(arrays))
        self._take(self._moved(block.state()))

    def _take(self, of: Tensors) -> None:
        self._of, self.series = of, len(of["memory.origin"])
        self._last_at = of["memory.last_at"].cpu().numpy()
        self._word = np.zeros(self.series, np.int8)  # of the levels, at the newest step

    def _moved(self, arrays: Mapping[str, NDArray[Any]]) -> Tensors:
        return {name: torch.from_numpy(np.array(array)).to(self._device) for name, array in arrays.items()}

    def _step(
        self, fit: NDArray[np.bool_], at: NDArray[np.float64], values: NDArray[np.float64]
    ) -> tuple[list[Reals], Reals]:
        """Advance the series that ``fit``; return what each detector said, and the news."""
        here, there = (torch.from_numpy(found).to(self._device) for found in bins(at))
        instants, fresh, mask = (torch.from_numpy(each).to(self._device) for each in (at, values, fit))
        old = self._of
        new = dict(old)
        origin = torch.where(old["memory.age"] == 0, fresh, old["memory.origin"])
        newest = (fresh - origin).float()
        new["memory.origin"], new["memory.last_at"] = origin, instants
        new["memory.recent"] = recent = torch.cat([old["memory.recent"][1:], newest[None]])
        age = old["memory.age"]
        levels, word = _levels(new, recent, age)
        said = [levels, _season(new, newest, age, here, there), _restless(new, recent, age)]
        statistic = said[0] + said[1] + said[2]
        news = _mute(new, age, statistic)
        _close(new, age, statistic, instants)
        self._word = word.cpu().numpy()
        self._of = {name: torch.where(mask, tensor, old[name]) for name, tensor in new.items()}
        quiet = torch.zeros_like(statistic)
        heard = [torch.where(mask, each, quiet).cpu().numpy() for each in (*said, news)]
        return heard[:-1], heard[-1]

    def _alarms(self, statistics: list[Reals], news: Reals, values: NDArray[np.float64]) -> list[Alarm]:
        (places,) = np.nonzero(news >= self.threshold)
        if not len(places):
            return []
        part, chosen = Block(len(places)), torch.from_numpy(places).to(self._device)
        part.restore({name: tensor.index_select(-1, chosen).cpu().numpy() for name, tensor in self._of.items()})
        told = [each[places] for each in statistics]
        plain = np.zeros(len(places), np.int8)
        readings = tuple(Reading(each, plain if row else self._word[places]) for row, each in enumerate(told))
        said, memory = Said(np.sum(told, axis=0), news[places], readings), part.memory.of
        expected = part.expected(np.arange(len(places)))
        return [
            Alarm(
                series=int(place),
                at=float(memory["last_at"][row]),
                onset_at=float(memory["onset_at"][row]),
                score=float(news[place]),
                threshold=self.threshold,
                expected=float(expected[row]),
                value=float(values[place]),
                reason=part.reason(said, row),
            )
            for row, place in enumerate(places)
        ]


def _record(of: Tensors, ends: tuple[str, str], value: Tensor, age: Tensor, floor: Tensor | None) -> Tensor:
    """As ``agent.eyes.records.strangeness``, of every series."""
    low, high = of[ends[0]], of[ends[1]]
    beyond, width = torch.maximum(value - high, low - value), high - low
    if floor is not None:
        width = torch.maximum(width, floor)
    flat = (FLAT * (torch.log(age.clamp(min=1).double()) - FLAT_FROM)).clamp(min=0).float()
    known = torch.log1p(float(STEEP) * torch.clamp(beyond / width.clamp(min=1e-45), max=float(CAP)))
    score = torch.where(width > 0, known, flat)
    score = torch.where((beyond > 0) & (age >= YOUNG) & (high >= low), score, torch.zeros_like(score))
    shrink = (high - low).clamp(min=0) * float(HALF_FADED)
    of[ends[0]], of[ends[1]] = torch.minimum(low + shrink, value), torch.maximum(high - shrink, value)
    return score


def _floor(of: Tensors, name: str) -> Tensor:
    return float(LEAST) * (of[f"{name}.high1"] - of[f"{name}.low1"]).clamp(min=0)


def _levels(of: Tensors, recent: Tensor, age: Tensor) -> tuple[Tensor, Tensor]:
    floor, parts = _floor(of, LEVEL), list[Tensor]()
    for width, weight in SCALES:
        middle = recent[-width:].median(dim=0).values
        ends = (f"{LEVEL}.low{width}", f"{LEVEL}.high{width}")
        parts.append(weight * _record(of, ends, middle, age - width + 1, floor if parts else None))
    value = parts[0] + parts[1]
    total = value + parts[2] + parts[3]
    return total, (value < total - value).to(torch.int8)


def _season(of: Tensors, value: Tensor, age: Tensor, here: Tensor, there: Tensor) -> Tensor:
    usual, known, rows = of[f"{HOUR}.usual"].clone(), of[f"{HOUR}.known"].clone(), torch.arange(len(value))
    rows = rows.to(value.device)
    count, first, other = known[here, rows], usual[here, rows], usual[there, rows]
    level = of[f"{HOUR}.level"]
    expected = torch.where(count > 0, first, torch.where(known[there, rows] > 0, other, level))
    count = (count.int() + 1).clamp(max=SLOWEST)
    known[here, rows] = count.to(torch.uint8)
    usual[here, rows] = first + (value - first) / count
    of[f"{HOUR}.usual"], of[f"{HOUR}.known"], of[f"{HOUR}.expected"] = usual, known, expected
    of[f"{HOUR}.level"] = level + float(TREND) * (value - level)
    off = torch.cat([of[f"{HOUR}.off"][1:], (value - expected)[None]])
    of[f"{HOUR}.off"] = off = torch.where(age == 0, torch.zeros_like(off), off)
    total = _record(of, (f"{HOUR}.low1", f"{HOUR}.high1"), off[-1], age, None)
    ends = (f"{HOUR}.low{SHORT}", f"{HOUR}.high{SHORT}")
    return total + _record(of, ends, off.median(dim=0).values, age - SHORT + 1, _floor(of, HOUR))


def _restless(of: Tensors, recent: Tensor, age: Tensor) -> Tensor:
    moved = recent[-STEPS - 1 :].diff(dim=0).abs()
    total = moved[0]
    for row in moved[1:]:  # in NumPy's order, so that the last bits agree
        total = total + row
    mean = total / age.clamp(1, STEPS).float()
    return float(WEIGHT) * _record(of, (f"{UNREST}.low", f"{UNREST}.high"), mean, age, None)


def _mute(of: Tensors, age: Tensor, statistic: Tensor) -> Tensor:
    peak, since = of["mute.peak"], of["mute.since"]
    while_ = (float(SHARE) * age.float()).clamp(min=SHORTEST)
    peak = torch.where(age - since > while_, torch.zeros_like(peak), peak)
    news = statistic > peak
    of["mute.peak"], of["mute.since"] = torch.where(news, statistic, peak), torch.where(news, age, since)
    return torch.where(news, statistic, torch.zeros_like(statistic))


def _close(of: Tensors, age: Tensor, statistic: Tensor, at: Tensor) -> None:
    strange = statistic >= float(STRANGE)
    begins = strange & (age - of["memory.strange_age"] > CALM)
    of["memory.onset_at"] = torch.where(begins, at, of["memory.onset_at"])
    of["memory.strange_age"] = torch.where(strange, age, of["memory.strange_age"])
    of["memory.age"] = age + 1
