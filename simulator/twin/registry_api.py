"""The twin's model registry, as MLflow's REST API has it: what our adapter and MLflow's own client ask for."""

from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from simulator.twin.trainings import number_of
from simulator.twin.twin import Twin
from tools.errors import Absent
from tools.records import ModelState, ModelVersion

BASE = "/api/2.0/mlflow/"
TAG = "prunella.version"
MANAGER = "registry-client"  # whoever writes over the wire: MLflow keeps no name


class _Failure(Exception):
    """An answer other than 200, in MLflow's form."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class _Registry:
    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._tags: dict[str, dict[str, str]] = {}

    def _state(self, name: str) -> ModelState:
        try:
            return self._twin.world.registry.model(name)
        except Absent as error:
            message = f"Registered Model with name={name} not found"
            raise _Failure(404, "RESOURCE_DOES_NOT_EXIST", message) from error

    def _numbers(self, name: str) -> dict[str, str]:
        """Return the number of each version by its name: MLflow knows no names, but a tag may tell one."""
        names = [each.version for each in self._state(name).versions]
        return {each: number_of(each, names) for each in names}

    def _version(self, name: str, number: str) -> ModelVersion:
        version = next((each for each, own in self._numbers(name).items() if own == number), number)
        found = next((each for each in self._state(name).versions if each.version == version), None)
        if found is None:
            message = f"Model Version (name={name}, version={number}) not found"
            raise _Failure(404, "RESOURCE_DOES_NOT_EXIST", message)
        return found

    def model(self, name: str) -> dict[str, Any]:
        state = self._state(name)
        told: dict[str, Any] = {"name": name, "creation_timestamp": _millis(state.versions[0])}
        if tags := self._tags.get(name):
            told["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
        numbers = self._numbers(name)
        if state.aliases:
            told["aliases"] = [
                {"alias": alias, "version": numbers[version]} for alias, version in state.aliases.items()
            ]
        return {"registered_model": told}

    def version(self, name: str, version: str) -> dict[str, Any]:
        found = self._version(name, version)
        return {"model_version": _told(found, self._numbers(name)[found.version])}

    def search(self, wanted: str, most: int, token: str) -> dict[str, Any]:
        """Return a page of versions, newest first, as MLflow does."""
        name = wanted.removeprefix("name='").removesuffix("'")
        if wanted != f"name='{name}'":
            raise _Failure(400, "INVALID_PARAMETER_VALUE", f"Invalid filter {wanted}")
        versions, start = self._state(name).versions[::-1], int(token or 0)
        numbers = self._numbers(name)
        told = [_told(each, numbers[each.version]) for each in versions[start : start + most]]
        page: dict[str, Any] = {"model_versions": told}
        return page | ({"next_page_token": str(start + most)} if start + most < len(versions) else {})

    def set_alias(self, name: str, alias: str, version: str) -> dict[str, Any]:
        version = self._version(name, version).version
        body = self._twin.world.body
        before = body.quality.set_alias(name, alias, version)
        body.changes.add(body.clock.now(), "promotion", f"model/{name}", MANAGER, (before, version))
        return {}

    def set_tag(self, name: str, key: str, value: str) -> dict[str, Any]:
        self._state(name)
        self._tags.setdefault(name, {})[key] = value
        return {}


def registry_app(twin: Twin) -> FastAPI:
    """Return the application."""
    app = FastAPI(title="prunella twin: registry", openapi_url=None)
    own = _Registry(twin)

    @app.exception_handler(_Failure)
    def _refuse(_: Request, failure: _Failure) -> JSONResponse:
        return JSONResponse({"error_code": failure.code, "message": str(failure)}, status_code=failure.status)

    @app.get(BASE + "registered-models/get")
    def _model(name: str) -> dict[str, Any]:
        with twin.lock:
            return own.model(name)

    @app.get(BASE + "model-versions/get")
    def _one(name: str, version: str) -> dict[str, Any]:
        with twin.lock:
            return own.version(name, version)

    @app.get(BASE + "model-versions/search")
    def _search(filter: str, max_results: int = 200, page_token: str = "") -> dict[str, Any]:  # noqa: A002 - its name
        with twin.lock:
            return own.search(filter, max_results, page_token)

    @app.post(BASE + "registered-models/alias")
    async def _alias(request: Request) -> dict[str, Any]:
        name, alias, version = await _fields(request, "name", "alias", "version")
        with twin.lock:
            return own.set_alias(name, alias, version)

    @app.post(BASE + "registered-models/set-tag")
    async def _tag(request: Request) -> dict[str, Any]:
        name, key, value = await _fields(request, "name", "key", "value")
        with twin.lock:
            return own.set_tag(name, key, value)

    return app


async def _fields(request: Request, *names: str) -> list[str]:
    try:
        body = orjson.loads(await request.body())
        return [str(body[name]) for name in names]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise _Failure(400, "INVALID_PARAMETER_VALUE", f"Missing or malformed: {error}") from error


def _told(version: ModelVersion, number: str) -> dict[str, Any]:
    tags = [{"key": "digest", "value": version.digest}] if version.digest else []
    tags += [{"key": TAG, "value": version.version}] if number != version.version else []
    told = {"name": version.model, "version": number, "creation_timestamp": _millis(version)}
    return {**told, "description": version.lineage, "status": "READY", "current_stage": "None", "tags": tags}


def _millis(version: ModelVersion) -> int:
    return round(version.created_at.timestamp() * 1000)
