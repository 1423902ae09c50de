"""Read settings from YAML. Every problem is one line that names file, line and field.

::

    prunella.yaml:14: metrics.timout: unknown field; did you mean timeout?
"""

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from config.fleet import Fleet, Service
from config.logs import LogTable
from config.servers import ReasonerSettings
from config.settings import Settings

Place = tuple[str | int, ...]
_LARGEST = 4_000_000  # bytes; a configuration is written by a person


class ConfigError(Exception):
    """The configuration cannot be used. ``problems`` holds one line each; ``str`` joins them."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class _Source:
    """What a file says, and the line on which it says each thing."""

    file: Path
    data: dict[str, Any]
    marks: dict[Place, tuple[Path, int]] = field(default_factory=dict)


def load(path: Path) -> Settings:
    """Return the settings in a file; ``ConfigError`` when it cannot be read or says something wrong."""
    source = _with_fleet(_read(path))
    try:
        settings = Settings(**source.data)
    except ValidationError as error:
        raise ConfigError(_lines(source, error, Settings)) from None
    return _anchored(settings, path.resolve().parent)


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_prefix="PRUNELLA_", env_nested_delimiter="__")

    reasoner: ReasonerSettings | None = None


def load_reasoner() -> ReasonerSettings | None:
    """Return the language model that the environment alone names (``PRUNELLA_REASONER__URL``, ``__MODEL``), or None."""
    try:
        return _Environment().reasoner
    except (ValidationError, SettingsError) as error:
        found = error.errors(include_url=False, include_input=False) if isinstance(error, ValidationError) else ()
        lines = [
            f"PRUNELLA_{'__'.join(map(str, item['loc'])).upper()}: {_problem(item, _Environment)}" for item in found
        ]
        raise ConfigError(tuple(lines) or (f"PRUNELLA_REASONER: {error}",)) from None


def load_fleet(path: Path) -> Fleet:
    """Return the fleet in a file whose top holds ``services``; ``ConfigError`` when there is none to be had."""
    source = _read(path)
    try:
        return Fleet.model_validate(source.data)
    except ValidationError as error:
        raise ConfigError(_lines(source, error, Fleet)) from None


def _with_fleet(source: _Source) -> _Source:
    """Put the fleet file's content where ``fleet: {file: ...}`` names it."""
    fleet = source.data.get("fleet")
    if not isinstance(fleet, dict) or "file" not in fleet:
        return source
    if len(fleet) > 1 or not isinstance(fleet["file"], str):
        raise ConfigError((_at(source, ("fleet",)) + "fleet: either services, or file with a path, not both",))
    try:
        other = _read(source.file.parent / Path(fleet["file"]).expanduser())
    except ConfigError as error:
        raise ConfigError((_at(source, ("fleet", "file")) + f"fleet.file: {error}",)) from None
    marks = {("fleet", *place): mark for place, mark in other.marks.items()}
    return _Source(source.file, {**source.data, "fleet": other.data}, {**source.marks, **marks})


def _read(path: Path) -> _Source:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError((f"{path}: cannot be read: {error.strerror or error}",)) from None
    if len(raw) > _LARGEST:
        raise ConfigError((f"{path}: {len(raw)} bytes is no configuration",))
    return _parse(path, raw)


def _parse(path: Path, raw: bytes) -> _Source:
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(raw)
        node = loader.get_single_node()
        marks = dict(_marks(path, node, (), ())) if node is not None else {}
        data = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigError((f"{where}: not YAML: {error.problem or error.context}",)) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError((f"{path}: not YAML: {' '.join(str(error).split())[:200]}",)) from None
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ConfigError((f"{path}:1: the file is {'empty' if data is None else 'no mapping of fields'}",))
    return _Source(path, data, marks)


def _marks(
    path: Path, node: yaml.Node, place: Place, above: tuple[yaml.Node, ...]
) -> Iterator[tuple[Place, tuple[Path, int]]]:
    """Yield the line of every place. Refuses what PyYAML lets pass: a key given twice, a node inside itself."""
    if any(node is other for other in above):
        raise yaml.constructor.ConstructorError(None, None, "an alias refers to itself", node.start_mark)
    yield place, (path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} is given twice", key.start_mark)
            seen.add(str(key.value))
            yield from _marks(path, value, (*place, str(key.value)), (*above, node))
            yield (*place, str(key.value)), (path, key.start_mark.line + 1)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _marks(path, value, (*place, index), (*above, node))


def _at(source: _Source, place: Place) -> str:
    """Return ``file:line: `` of the nearest thing that the file says about a place."""
    for end in range(len(place), -1, -1):
        if place[:end] in source.marks:
            file, line = source.marks[place[:end]]
            return f"{file}:{line}: "
    return f"{source.file}: "


def _lines(source: _Source, error: ValidationError, root: type[BaseModel]) -> tuple[str, ...]:
    items = error.errors(include_url=False, include_input=False)
    places = [item["loc"] for item in items]
    # A list whose only item is wrong is also "too short": that says nothing new.
    echoes = [
        item["type"] == "too_short"
        and any(len(p) > len(item["loc"]) and p[: len(item["loc"])] == item["loc"] for p in places)
        for item in items
    ]
    return tuple(_line(source, item, root) for item, echo in zip(items, echoes, strict=True) if not echo)


def _line(source: _Source, item: ErrorDetails, root: type[BaseModel]) -> str:
    place: Place = tuple(item["loc"])
    name = ".".join(str(part) for part in place) or "the whole"
    variable = _variable(place)
    where = f"environment variable {variable}: " if root is Settings and variable in os.environ else _at(source, place)
    return where + f"{name}: {_problem(item, root)}"


def _variable(place: Place) -> str:
    return "PRUNELLA_" + "__".join(str(part) for part in place).upper()


def _problem(item: ErrorDetails, root: type[BaseModel]) -> str:
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(item["loc"][-1]), _fields(root, item["loc"][:-1]), n=1, cutoff=0.7)
        return "unknown field" + (f"; did you mean {near[0]}?" if near else "")
    if item["type"] == "missing":
        return "is missing"
    if item["type"] == "too_short":
        return "is empty; give at least one"
    message = " ".join(str(item["msg"]).removeprefix("Value error, ").split())
    return message[:1].lower() + message[1:]


def _fields(root: type[BaseModel], place: Place) -> tuple[str, ...]:
    """Return the field names of the model at a place; empty where no model is."""
    model: Any = root
    for part in place:
        if isinstance(part, str):
            found = model.model_fields.get(part) if _is_model(model) else None
            model = found.annotation if found else None
        model = _inner_model(model)
    return tuple(model.model_fields) if _is_model(model) else ()


def _inner_model(annotation: Any) -> Any:
    """Return the model inside ``tuple[Model, ...]`` or ``Model | None``; the annotation itself where it is none."""
    return next((arg for arg in getattr(annotation, "__args__", ()) if _is_model(arg)), annotation)


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _anchored(settings: Settings, base: Path) -> Settings:
    """Make relative paths relative to the file that names them, wherever the process was started."""
    metrics = settings.metrics.model_copy(update={"ca_file": _absolute(settings.metrics.ca_file, base)})
    cluster = settings.cluster.model_copy(update={"kubeconfig": _absolute(settings.cluster.kubeconfig, base)})
    policy = settings.policy.model_copy(update={"rules": _absolute(settings.policy.rules, base)})
    key = _absolute(settings.journal.signing_key, base)
    url = _absolute_url(settings.journal.url, base)
    journal = settings.journal.model_copy(update={"url": url, "signing_key": key})
    update: dict[str, Any] = {"metrics": metrics, "cluster": cluster, "policy": policy, "journal": journal}
    update["checkpoints"] = _absolute(settings.checkpoints, base)
    update["eyes"] = settings.eyes.model_copy(update={"state": _absolute(settings.eyes.state, base)})
    update["logs"] = tuple(_placed_log(log, base) for log in settings.logs)
    if (drills := settings.drills) is not None:
        update["drills"] = drills.model_copy(update={"kubeconfig": _absolute(drills.kubeconfig, base)})
    update["halt_file"] = _absolute(settings.halt_file, base)
    return settings.model_copy(update={**update, "fleet": _placed(settings.fleet, cluster.namespace, base)})


def _placed_log(log: LogTable, base: Path) -> LogTable:
    """Make the paths of a log absolute; the address of an engine is none."""
    found = {name: getattr(log, name) for name in ("rows", "reference", "recomputed")}
    paths = {name: _absolute_table(text, base) for name, text in found.items() if text}
    return log.model_copy(update={**paths, "rules": _absolute(log.rules, base)})


def _absolute_table(text: str, base: Path) -> str:
    return text if "://" in text else str(base / Path(text).expanduser())


def _placed(fleet: Fleet, namespace: str, base: Path) -> Fleet:
    """Put every service that names no namespace into the given one, and make what its trainings write absolute."""
    return fleet.model_copy(update={"services": tuple(_placed_one(each, namespace, base) for each in fleet.services)})


def _placed_one(service: Service, namespace: str, base: Path) -> Service:
    update: dict[str, Any] = {} if "namespace" in service.model_fields_set else {"namespace": namespace}
    if service.training is not None:
        scores = _absolute_table(service.training.scores, base)
        update["training"] = service.training.model_copy(update={"scores": scores})
    return service.model_copy(update=update)


def _absolute(path: Path | None, base: Path) -> Path | None:
    return None if path is None else base / path.expanduser()


def _absolute_url(url: str, base: Path) -> str:
    scheme, slashes, rest = url.partition(":///")
    if scheme.startswith("sqlite") and slashes and rest and rest != ":memory:":
        return f"{scheme}:///{base / Path(rest).expanduser()}"
    return url
