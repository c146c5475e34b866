"""A vendor that changed its answers without telling. Owns: renaming and retyping fields in them.

Errors stay as they are: what a user meets is a success whose form is another than documented.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from servers.sandbox.behaviour import Retype

Renames = Mapping[str, str]
Retypes = Mapping[str, Retype]


def drifted(body: bytes, renames: Renames, retypes: Retypes) -> bytes:
    """A JSON body with fields renamed and retyped at every depth; retypes go by the old name."""
    return orjson.dumps(_changed(orjson.loads(body), renames, retypes))


def _changed(value: Any, renames: Renames, retypes: Retypes) -> Any:
    if isinstance(value, list):
        return [_changed(item, renames, retypes) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        renames.get(name, name): _retyped(_changed(inner, renames, retypes), retypes.get(name))
        for name, inner in value.items()
    }


def _retyped(value: Any, kind: Retype | None) -> Any:
    if kind == "null":
        return None
    if kind == "list":
        return [value]
    if kind == "string":
        return value if isinstance(value, str) else orjson.dumps(value).decode()
    return value
