"""What came and is no message. Owns: what it is answered, and under which id.

Without an answer its sender would wait for its own time limit. An id counts only where it certainly
is a request's own: in a JSON object with a method, or at the very ends of what cannot be read as a
whole. Otherwise the answer's id is null, as JSON-RPC has it. Refuses to guess, since another
request may have that id, and to answer what is an answer.
"""

from __future__ import annotations

import re

import mcp_types as types
import orjson

_ENDS = 1024  # bytes of what cannot be read as a whole that are looked at
_ID = rb'"id"\s*:\s*(?:(\d{1,15})|"([^"\\]{1,200})")'
_VERSION = rb'"jsonrpc"\s*:\s*"2\.0"\s*,\s*'
_AHEAD = re.compile(rb"\s*\{\s*(?:" + _VERSION + rb")?" + _ID + rb'\s*,\s*"method"')
_METHOD_FIRST = re.compile(rb'\s*\{\s*"method"')
# Inside a text the quotation marks would be escaped, and inside an inner object more braces follow.
_BEHIND = re.compile(_VERSION + _ID + rb"\s*\}\s*\Z")


def malformed(line: bytes) -> types.JSONRPCError | None:
    """The answer to a line that is no JSON-RPC message; None when it is none to be answered."""
    try:
        found = orjson.loads(line.decode("utf-8", "replace"))
    except orjson.JSONDecodeError:
        return _error(_at_the_ends(line, line), types.PARSE_ERROR, "this line is no JSON")
    why = "this is no JSON-RPC 2.0 message"
    if not isinstance(found, dict):
        return _error(None, types.INVALID_REQUEST, why)
    if "method" not in found and ("result" in found or "error" in found):
        return None
    own = found.get("id")
    known = isinstance(own, int | str) and not isinstance(own, bool)
    return _error(own if known else None, types.INVALID_REQUEST, why)


def too_long(head: bytes, tail: bytes, limit: int) -> types.JSONRPCError:
    """The answer to a line of which only the ends are known."""
    why = f"a line of more than {limit} bytes"
    return _error(_at_the_ends(head, tail), types.INVALID_REQUEST, why)


def has_an_id(line: bytes) -> bool:
    """Whether this JSON object has an id, whatever it is."""
    try:
        return "id" in orjson.loads(line)
    except orjson.JSONDecodeError:
        return True  # what reads JSON differently from us is not to be relied on


def _at_the_ends(head: bytes, tail: bytes) -> int | str | None:
    found = _AHEAD.match(head[:_ENDS])
    if found is None and _METHOD_FIRST.match(head[:_ENDS]):
        found = _BEHIND.search(tail[-_ENDS:])
    if found is None:
        return None
    number, text = found.groups()
    return int(number) if number is not None else str(text, "utf-8", "replace")


def _error(own: int | str | None, code: int, why: str) -> types.JSONRPCError:
    error = types.ErrorData(code=code, message=why)
    return types.JSONRPCError(jsonrpc="2.0", id=own, error=error)
