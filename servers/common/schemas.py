"""What a client is told of a tool's arguments and results. Owns: leaving out what only costs.

A model pays for every character of a tool list, at every turn. What pydantic writes beside each
check goes: names said again as titles, and that null is null. In a result, nouns within it go by
their names; they are described where a model has to fill them in. Refuses to touch a check: what
fits a schema fits the model, and nothing else.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]
_NAMED = ("properties", "$defs")  # their keys are names of ours, whatever they are called
_DATA = ("default", "const", "enum", "required")


def arguments_of(model: type[BaseModel]) -> Schema:
    """The JSON schema of arguments."""
    return _lean(model.model_json_schema(), frozenset({"title"}))


def result_of(model: type[BaseModel]) -> Schema:
    """The JSON schema of a result."""
    schema = _lean(model.model_json_schema(mode="serialization"), frozenset({"title"}))
    if "$defs" in schema:
        bare = frozenset({"description"})
        schema["$defs"] = {name: _lean(one, bare) for name, one in schema["$defs"].items()}
    return schema


def _lean(schema: Schema, without: frozenset[str]) -> Schema:
    kept: Schema = {}
    for key, value in schema.items():
        if key in _NAMED:
            kept[key] = {name: _lean(one, without) for name, one in value.items()}
        elif key not in without and (key, value) != ("default", None):
            kept[key] = value if key in _DATA else _within(value, without)
    return kept


def _within(value: Any, without: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return _lean(value, without)
    return [_within(one, without) for one in value] if isinstance(value, list) else value
