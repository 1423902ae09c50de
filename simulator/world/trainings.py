"""Training jobs: they really happen, and are seen when their simulated time has passed."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from simulator.world.records import WorldLog
from simulator.world.scorer import Scorer, accepted, register
from simulator.world.store import Floats
from tools.action import TrainModel
from tools.clock import Clock
from tools.errors import Refused
from tools.training import TabularModel, epochs_for, fit_without

LEAST_ROWS = 400  # labelled rows below which a training fails
HELD = 10  # one row of so many is held out, to say how well the version does
TRAINING_SECONDS = (90.0, 0.004)  # simulated seconds: at least, and per row
State = Literal["done", "running", "failed"]


@dataclass
class Training:
    """One training job; its outcome is known here before the world may see it."""

    action: TrainModel
    ends_at: datetime
    state: State
    detail: str
    model: TabularModel | None = None
    held: tuple[Floats, Floats] | None = None  # every tenth labelled row, not trained on
    seen: bool = False


class Trainings:
    """All jobs, by operation."""

    def __init__(self, scorers: Mapping[str, Scorer], log: WorldLog, clock: Clock) -> None:
        self._scorers, self._log, self._clock = scorers, log, clock
        self._all: dict[str, Training] = {}

    def tick(self, at: datetime) -> None:
        """Let the world see what is due."""
        for training in self._all.values():
            if not training.seen and at >= training.ends_at:
                self._finish(training)

    def _scorer_of(self, action: TrainModel) -> Scorer:
        scorer = self._scorers.get(action.service)
        if scorer is None or scorer.service.model != action.model:
            raise Refused(f"{action.service} does not serve model {action.model}")
        return scorer

    def check(self, action: TrainModel) -> str:
        """Say what a training would do, or refuse."""
        scorer = self._scorer_of(action)
        if action.version in scorer.names or self._in_hand(action):
            raise Refused(f"model {action.model} has a version {action.version} already")
        if unknown := sorted(set(action.without) - set(scorer.problem.names)):
            raise Refused(f"model {action.model} knows no column {', '.join(unknown)}")
        rows = self._log.window(action.service, action.start_at, action.end_at)
        return f"version {action.version} would be trained on {int(np.isfinite(rows.labels).sum())} labelled rows"

    def _in_hand(self, action: TrainModel) -> bool:
        return any(t.action.version == action.version and not t.seen for t in self._all.values())

    def begin(self, action: TrainModel, operation: str, incident: str) -> None:
        """Begin a training: it really happens, and is seen when its simulated time has passed."""
        rows = self._log.window(action.service, action.start_at, action.end_at)
        known = np.isfinite(rows.labels)
        count = int(known.sum())
        seconds = TRAINING_SECONDS[0] + TRAINING_SECONDS[1] * count
        now = self._clock.now()
        if count < LEAST_ROWS or seconds > action.max_seconds:
            short = f"{count} labelled rows, {LEAST_ROWS} are needed"
            reason = short if count < LEAST_ROWS else f"{seconds:.0f} s exceed {action.max_seconds:.0f} s"
            self._all[operation] = Training(action, now + timedelta(seconds=30), "failed", reason)
            return
        features, labels = rows.features[known], rows.labels[known]
        held = np.arange(count) % HELD == HELD // 2
        cut = int((~held).sum())
        without = [rows.names.index(column) for column in action.without]
        seed = zlib.crc32(action.version.encode())
        model = fit_without(features[~held], labels[~held], without, seed=seed, epochs=epochs_for(cut))
        lacking = f" without {', '.join(action.without)}" if without else ""
        detail = f"trained by prunella for {incident} on {cut} rows{lacking}"
        training = Training(action, now + timedelta(seconds=seconds), "done", detail, model)
        training.held = (features[held], labels[held])
        self._all[operation] = training

    def _finish(self, training: Training) -> None:
        training.seen = True
        action = training.action
        if training.model is None or training.held is None:
            return
        scorer = self._scorers[action.service]
        on = accepted(training.model, training.held)
        register(scorer, action.version, training.model, on, training.ends_at, training.detail)

    def made(self) -> list[tuple[TrainModel, TabularModel]]:
        """Return every training that has ended in a version, and that version."""
        return [(each.action, each.model) for each in self._all.values() if each.seen and each.model is not None]

    def ended(self, operation: str) -> tuple[State, datetime, str] | None:
        """Return (state, at, detail) of a training that has ended; None while it runs."""
        training = self._all[operation]
        return (training.state, training.ends_at, training.detail) if training.seen else None
