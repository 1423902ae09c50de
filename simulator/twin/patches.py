"""The patches that Kubernetes takes: JSON merge (RFC 7396), JSON (RFC 6902), and strategic merge for lists by name."""

import copy
from typing import Any

Json = dict[str, Any]
MERGE, JSON, STRATEGIC = (f"application/{kind}-patch+json" for kind in ("merge", "json", "strategic-merge"))


class PatchError(ValueError):
    """The patch does not fit the object."""


def patched(item: Json, body: Any, kind: str) -> Json:
    """Return the object as the patch would have it; the object given is left as it is."""
    if kind == JSON:
        if not isinstance(body, list):
            raise PatchError("a JSON patch is a list of operations")
        return _steps(copy.deepcopy(item), body)
    if not isinstance(body, dict):
        raise PatchError("a merge patch is an object")
    merged = _merge(copy.deepcopy(item), body, by_name=kind == STRATEGIC)
    return dict(merged)


def _merge(target: Any, patch: Any, *, by_name: bool) -> Any:
    if not isinstance(patch, dict):
        return _merged_list(target, patch) if by_name and isinstance(patch, list) else patch
    out = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        elif not name.startswith("$"):
            out[name] = _merge(out.get(name), value, by_name=by_name)
    return out


def _merged_list(target: Any, patch: list[Any]) -> list[Any]:
    """Merge lists of named objects by name; any other list replaces the old one."""
    named = all(isinstance(each, dict) and "name" in each for each in patch)
    if not named or not isinstance(target, list):
        return patch
    out = {each.get("name"): each for each in target}
    for each in patch:
        out[each["name"]] = _merge(out.get(each["name"]), each, by_name=True)
    return list(out.values())


def _steps(item: Json, steps: list[Json]) -> Json:
    for step in steps:
        try:
            path = [part.replace("~1", "/").replace("~0", "~") for part in str(step["path"]).split("/")[1:]]
            _step(item, step, path)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise PatchError(f"the operation {step.get('op')} on {step.get('path')} cannot be done") from error
    return item


def _step(item: Json, step: Json, path: list[str]) -> None:
    parent: Any = item
    for part in path[:-1]:
        parent = parent[int(part)] if isinstance(parent, list) else parent[part]
    last: Any = int(path[-1]) if isinstance(parent, list) and path[-1] != "-" else path[-1]
    match step["op"]:
        case "test":
            if parent[last] != step["value"]:
                raise ValueError("another value")
        case "remove":
            del parent[last]
        case "replace":
            _ = parent[last]
            parent[last] = step["value"]
        case "add" if isinstance(parent, list):
            parent.insert(len(parent) if last == "-" else last, step["value"])
        case "add":
            parent[last] = step["value"]
        case other:
            raise ValueError(f"{other} is no operation")
