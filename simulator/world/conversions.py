"""Versions made out of others that read some inputs as they come now: at once, and without rows to learn from."""

from collections.abc import Mapping

import numpy as np

from simulator.world.scorer import Scorer, accepted, register
from simulator.world.store import Floats
from tools.action import ConvertInputs
from tools.clock import Clock
from tools.errors import Refused
from tools.training import converted


class Conversions:
    """Makes them."""

    def __init__(self, scorers: Mapping[str, Scorer], clock: Clock) -> None:
        self._scorers, self._clock = scorers, clock

    def check(self, action: ConvertInputs) -> str:
        """Say what would be made, or refuse."""
        scorer = self._scorers.get(action.service)
        if scorer is None or scorer.service.model != action.model:
            raise Refused(f"{action.service} does not serve model {action.model}")
        if action.version in scorer.names:
            raise Refused(f"model {action.model} has a version {action.version} already")
        if action.of not in scorer.names:
            raise Refused(f"model {action.model} has no version {action.of}")
        if unknown := sorted(set(action.inputs) - set(scorer.problem.names)):
            raise Refused(f"model {action.model} knows no column {', '.join(unknown)}")
        return f"version {action.version} would read {', '.join(action.inputs)} as they come now, and be {action.of}"

    def make(self, action: ConvertInputs, incident: str) -> None:
        """Register the version, with the rows that the other was accepted on as they would come now."""
        scorer = self._scorers[action.service]
        before = scorer.references[action.of]
        inputs, read_from = ([scorer.problem.names.index(name) for name in each] for each in _columns(action))
        times = np.array(action.divided_by)
        model = converted(scorer.models[action.of], inputs, read_from, times, action.codes)
        shown: Floats = before.features.copy()
        shown[:, read_from] = before.features[:, inputs] * times
        for name, table in action.tables.items():
            place = scorer.problem.names.index(name)
            for comes, means in table:
                shown[np.rint(before.features[:, place]) == means, place] = comes
        text = f"{action.of} converted by prunella for {incident}: {', '.join(action.inputs)} as they come now"
        on = accepted(model, (shown, before.labels))
        register(scorer, action.version, model, on, self._clock.now(), text)


def _columns(action: ConvertInputs) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return action.inputs, action.read_from
