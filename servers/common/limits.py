"""Bounds of a tool call. Owns: how long it may take, how much it may be given, how much it answers.

The arguments are weighed before anything looks into them; a call that takes too long ends with an
answer that says so; a result that no client could use is not sent. A write at a vendor has more
time than the vendor stack may be configured to take: the stack ends it, puts its fate on record,
and this bound is only for what hangs elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

import anyio
import orjson

from guardrails.errors import BadInput, FateUnknown, ResultTooLarge, TookTooLong
from servers.common.contract import ToolSpec

ARGUMENT_BYTES = 4 * 1024 * 1024
RESULT_CHARS = 4_000_000
T = TypeVar("T")


def weigh(name: str, arguments: Any) -> None:
    """Look at size and nesting.

    Raises:
        BadInput: too much of either, or a text or number that JSON cannot carry.
    """
    try:
        size = len(orjson.dumps(arguments))
    except TypeError as error:  # JSONEncodeError is one: 254 levels, lone surrogates, big integers
        raise BadInput(
            f"arguments of {name}: nested too deep, or a text or number is none",
            remedy="Send flat arguments, whole Unicode and numbers of at most 64 bits.",
        ) from error
    if size > ARGUMENT_BYTES:
        raise BadInput(
            f"arguments of {name}: {size} bytes, at most {ARGUMENT_BYTES}",
            remedy="Send less at a time.",
        )


async def in_time(spec: ToolSpec[Any, Any], work: Awaitable[T]) -> T:
    """What `work` gives, within the tool's time.

    Raises:
        FateUnknown: it did not, and it may have written at a vendor.
        TookTooLong: it did not, and may be called again.
    """
    # Not asyncio's: work in a thread must not be left behind while its caller tidies up.
    with anyio.move_on_after(spec.limit_s):
        return await work
    what = f"{spec.name} was not done within {spec.limit_s:g} s and was given up"
    if spec.open_world and not spec.read_only:
        raise FateUnknown(f"{what}; what it began at the vendor goes on to its end")
    raise TookTooLong(what)


def require_sendable(spec: ToolSpec[Any, Any], text: str) -> None:
    """Look at a result's JSON.

    Raises:
        ResultTooLarge: says how to get it in parts.
    """
    asked = spec.args.model_fields
    remedy = "Ask for something narrower."
    if "cursor" in asked and "limit" in asked:
        remedy = "Call again with a smaller `limit`, then with each `next_cursor`."
    _require(f"{spec.name}: the result", text, remedy)


def require_readable(text: str, instead: str) -> None:
    """Look at a document. Raises ResultTooLarge; `instead` is its remedy."""
    _require("this document", text, instead)


def _require(what: str, text: str, remedy: str) -> None:
    if len(text) > RESULT_CHARS:
        why = f"{what} has {len(text)} characters, at most {RESULT_CHARS} are sent"
        raise ResultTooLarge(why, remedy=remedy)
