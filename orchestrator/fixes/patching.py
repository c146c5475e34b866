"""A patch against config/production.json. Owns: which patch is a fix, and the document it gives.

RFC 6902, of which `test`, `replace` and `add` are enough. Every replacement names the value it
replaces, so that a fix for one configuration cannot be applied to another. What comes out is
compared leaf by leaf with what went in, whatever the operations said. Refuses everything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonpatch
import jsonpointer

from guardrails.errors import Refused
from orchestrator.fixes.allowed import Place, absent, refusal
from orchestrator.fixes.model import Patch, PatchOp

Json = dict[str, Any]
MAX_OPS = 20
# No `~` at all: no place on the list needs an escape, and `~1` hides a slash.
_POINTER = re.compile(r"(?:/[A-Za-z0-9_][A-Za-z0-9_ -]*)+\Z")


def patched(patch: Patch, document: Mapping[str, Any], packaged: Mapping[str, Any]) -> Json:
    """`document` after `patch`, which is then certainly a fix.

    Args:
        packaged: production.json as it was delivered.

    Raises:
        Refused: says which operation is no fix, or no longer fits the document.
    """
    if not patch or len(patch) > MAX_OPS:
        raise Refused(f"a fix has 1 to {MAX_OPS} operations")
    _check_form(patch, document)
    try:
        after = jsonpatch.JsonPatch([op.wire() for op in patch]).apply(document)
    except jsonpatch.JsonPatchTestFailed as error:
        raise Refused(
            f"the configuration has changed since: {error}",
            remedy="Look at `swarm fixes list` again: a fitting proposal is made from it.",
        ) from error
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        raise Refused(f"the patch does not fit the configuration: {error}") from error
    _check_changes(patch, document, after, packaged)
    found: Json = after
    return found


def inverse_of(patch: Patch, document: Mapping[str, Any]) -> Patch:
    """What takes `patch` back from the document it gives. `document`: before it."""
    undone: list[PatchOp] = []
    for op in reversed([one for one in patch if one.op != "test"]):
        old = _at(document, op.path)
        undone.append(PatchOp(op="test", path=op.path, value=op.value))
        if old is absent():
            undone.append(PatchOp(op="remove", path=op.path))
        else:
            undone.append(PatchOp(op="replace", path=op.path, value=old))
    return tuple(undone)


def reverted(
    patch: Patch, document: Mapping[str, Any], inverse: Patch, packaged: Mapping[str, Any]
) -> Json:
    """`document` without `patch`: exactly the document that the patch, applied, leads back from.

    Raises:
        Refused: what the patch put there has changed since, or `inverse` does anything else.
    """
    for op in inverse:
        _check_pointer(op)
    try:
        before = jsonpatch.JsonPatch([op.wire() for op in inverse]).apply(document)
    except jsonpatch.JsonPatchTestFailed as error:
        raise Refused(
            f"the configuration has changed there since the fix: {error}",
            remedy="Change the file by hand; `swarm fixes show` prints the old values.",
        ) from error
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        raise Refused(f"the fix cannot be taken back: {error}") from error
    if patched(patch, before, packaged) != document:
        raise Refused("taking this back would change more than the fix did")
    found: Json = before
    return found


def in_force(inverse: Patch, document: Mapping[str, Any]) -> bool:
    """Whether everything that `inverse` would take back stands in `document`."""
    tests = [op for op in inverse if op.op == "test"]
    return bool(tests) and all(_at(document, op.path) == op.value for op in tests)


def rendered(document: Mapping[str, Any]) -> bytes:
    """The file's form: `json.dumps(indent=2)` and a line end."""
    return (json.dumps(document, indent=2) + "\n").encode()


def _check_form(patch: Patch, document: Mapping[str, Any]) -> None:
    tested: dict[str, Any] = {}
    changed: set[str] = set()
    for op in patch:
        _check_pointer(op)
        old = _at(document, op.path)
        if op.op == "test":
            tested[op.path] = op.value
        elif op.op == "remove":
            raise Refused(f"{op.path}: a fix takes nothing away")
        elif op.path in changed:
            raise Refused(f"{op.path}: changed twice")
        elif old is not absent() and not _same(tested.get(op.path, absent()), op.value, old):
            raise Refused(f"{op.path}: the value to be replaced is not named by a test, or is new")
        elif old is absent() and op.op == "replace":
            raise Refused(f"{op.path}: there is nothing to replace")
        else:
            changed.add(op.path)
    if not changed:
        raise Refused("the patch changes nothing")


def _same(tested: Any, new: Any, old: Any) -> bool:
    """Whether a test names the old value; a wrong one is left for the patch itself to refuse."""
    return tested is not absent() and type(tested) is not bool and new != old


def _check_pointer(op: PatchOp) -> None:
    if not _POINTER.match(op.path):
        raise Refused(f"{op.path!r:.100}: not a plain pointer into the configuration")


def _check_changes(
    patch: Patch, before: Mapping[str, Any], after: Any, packaged: Mapping[str, Any]
) -> None:
    if not isinstance(after, dict):
        raise Refused("the patch replaces the whole configuration")
    stated = {op.path for op in patch if op.op != "test"}
    for path in stated:
        place = Place(tuple(path.split("/")[1:]), after, packaged)
        why = refusal(path, _at(before, path), _at(after, path), place)
        if why:
            raise Refused(f"{path}: {why}")
    for path in _differences(before, after, ""):
        if not any(path == one or path.startswith(one + "/") for one in stated):
            raise Refused(f"{path}: changed without being named")


def _differences(before: Any, after: Any, path: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted({*before, *after}):
            old, new = before.get(name, absent()), after.get(name, absent())
            yield from _differences(old, new, f"{path}/{name}")
    elif type(before) is not type(after) or before != after:
        yield path


def _at(document: Any, path: str) -> Any:
    for name in path.split("/")[1:]:
        if not isinstance(document, Mapping) or name not in document:
            return absent()
        document = document[name]
    return document
