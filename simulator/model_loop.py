"""A baseline: one language model in a loop with tools that read and write, as agents are often built.

It is given what Prunella is given, and the same hands: no diagnosis, gate, policy or verification of ours. It is woken
as the simple rules are, by services that truly fail, which flatters it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

import numpy as np
from pydantic import ValidationError

from simulator.baselines import Waking
from simulator.world.world import World
from tools.action import ACTION, Operation
from tools.catalogue import SIGNALS
from tools.errors import ToolError
from tools.journal import Journal
from tools.memory_journal import MemoryJournal
from tools.ports import Actuator

STEPS = 12  # questions to the model in one waking, at most
MOST_TEXT = 6_000  # characters of what a tool answers
ROLE = (
    "You operate machine-learning and language-model services. A service misses its objectives. Find the cause with "
    "the reading tools, then act with the tool act so that it is well again, and harm nothing else. "
    "Answer without a tool call when there is nothing more to do."
)
Json = dict[str, Any]


class Model(Protocol):
    """A language model that may call tools."""

    tokens: int  # spent so far

    def reply(self, messages: Sequence[Json], tools: Sequence[Json]) -> Json:
        """Return its next message, as an assistant's; raises ``ToolError``."""
        ...


class ModelLoop:
    """Asks a model what to do about services that fail, and does it."""

    def __init__(self, world: World, actuator: Actuator, model: Model) -> None:
        self._world, self._actuator, self._model = world, actuator, model
        self._journal, self._waking, self._count = MemoryJournal(), Waking(world), 0
        self._tools: Mapping[str, Callable[..., object]] = {
            "signals": self._signals,
            "topology": self._topology,
            "changes": self._changes,
            "versions": self._versions,
            "act": self._act,
        }

    @property
    def journal(self) -> Journal:
        """Empty: it writes nothing down."""
        return self._journal

    @property
    def tokens(self) -> int:
        """What the model was asked and answered so far."""
        return self._model.tokens

    def tick(self) -> object:
        """Talk about each service that wakes it."""
        for service in self._waking.due():
            self._talk(service)
        return None

    def _talk(self, service: str) -> None:
        guarded = self._world.fleet.service(service)
        said = f"{service} misses its objectives. What is known of it: {guarded.model_dump_json(exclude_defaults=True)}"
        messages: list[Json] = [{"role": "system", "content": ROLE}, {"role": "user", "content": said}]
        for _ in range(STEPS):
            try:
                answer = self._model.reply(messages, TOOLS)
            except ToolError:
                return  # a model that is away does nothing
            calls = answer.get("tool_calls") or ()
            if not calls:
                return
            messages += [answer, *(self._called(call) for call in calls)]

    def _called(self, call: Json) -> Json:
        """Do what one call asks for; whatever is wrong with it is told to the model."""
        try:
            arguments = json.loads(call["function"]["arguments"] or "{}")
            found = self._tools[call["function"]["name"]](**arguments)
        except KeyError as error:
            found = f"there is no {error}"
        except (TypeError, ValueError, ToolError) as error:  # a validation error is a ValueError
            found = f"refused: {error}"
        text = found if isinstance(found, str) else json.dumps(found, default=str)
        return {"role": "tool", "tool_call_id": call["id"], "content": text[:MOST_TEXT]}

    # -- tools ---------------------------------------------------------------------------------------------------------
    def _signals(self, service: str) -> object:
        frame = self._world.metrics.read(SIGNALS, self._world.clock.now())
        near = (f"/{service}", f"/{service}/")
        return {
            f"{key}": round(float(value), 4)
            for key, value in zip(frame.keys, frame.values, strict=True)
            if np.isfinite(value) and (key.entity.endswith(near[0]) or near[1] in key.entity)
        }

    def _topology(self, service: str) -> object:
        found = self._world.cluster.topology()
        deployment = found.deployment(service)
        return {
            "deployment": deployment and deployment.model_dump(mode="json"),
            "replicas": [replica.model_dump(mode="json") for replica in found.of(service)],
            "nodes": [node.model_dump(mode="json") for node in found.nodes],
        }

    def _changes(self, minutes: float) -> object:
        since = self._world.clock.now() - timedelta(minutes=float(minutes))
        found = (*self._world.cluster.changes(since), *self._world.registry.changes(since))
        return [change.model_dump(mode="json") for change in sorted(found, key=lambda change: change.at)]

    def _versions(self, model: str) -> object:
        return self._world.registry.model(model).model_dump(mode="json")

    def _act(self, action: Mapping[str, object]) -> object:
        try:
            known = ACTION.validate_python(action)
        except ValidationError as error:
            return f"refused: {error.errors(include_url=False, include_input=False)}"
        self._count += 1
        receipt = self._actuator.apply(known, Operation(id=f"model-{self._count}", incident="", epoch=self._count))
        return receipt.model_dump(mode="json")


def _tool(name: str, about: str, **arguments: Json) -> Json:
    parameters = {"type": "object", "properties": arguments, "required": list(arguments)}
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}


TOOLS: tuple[Json, ...] = (
    _tool("signals", "Read every signal of a service, its replicas and vendors.", service={"type": "string"}),
    _tool("topology", "Read the Deployment and replicas of a service, and all nodes.", service={"type": "string"}),
    _tool("changes", "List releases, promotions and other changes of late.", minutes={"type": "number"}),
    _tool("versions", "Read the versions and aliases of a model in the registry.", model={"type": "string"}),
    _tool("act", "Carry out one action.", action=ACTION.json_schema()),
)
