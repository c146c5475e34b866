"""Bounds of a tool call, as a client of the server meets them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from mcp import Client
from mcp_types import CallToolResult
from pydantic import Field

import servers.crafter.contract
import servers.enricher.contract
import servers.ghl.contract
import servers.guardrails.contract
import servers.hunter.contract
import servers.instantly.contract
from guardrails.config import load_config
from guardrails.mcp_token_model import Scope
from servers.common.contract import Args, Result, ToolSpec
from servers.common.limits import ARGUMENT_BYTES, RESULT_CHARS
from servers.common.toolserver import Binding, build
from tests.mcp.failures import failure_of

pytestmark = pytest.mark.anyio


class Ask(Args):
    """What the tool takes."""

    value: Any = Field(default=None, description="Anything.")
    limit: int = Field(default=1, description="How much.")
    cursor: str | None = Field(default=None, description="Where.")


class Given(Result):
    """What it gives."""

    text: str


class Narrow(Args):
    """Without pages."""


SPEC = ToolSpec("ask", "Ask", "For tests.", Ask, Given)
Handler = Callable[[Any], Awaitable[Given]]


async def answer(_args: Any) -> Given:
    """The plainest handler."""
    return Given(text="ok")


async def never(_args: Any) -> Given:
    """One that hangs."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def asked(
    spec: ToolSpec[Any, Any], handler: Handler, arguments: dict[str, Any] | None = None
) -> CallToolResult:
    server = build("house", "For tests.", [Binding(spec, handler)])
    async with Client(server) as client:
        return await client.call_tool("ask", arguments or {})


def code(result: CallToolResult) -> str:
    assert result.is_error
    return str(failure_of(result)["code"])


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


async def test_a_tool_that_hangs_is_given_up_and_says_so() -> None:
    result = await asked(replace(SPEC, timeout_s=0.05), never)
    assert code(result) == "took_too_long"
    assert failure_of(result)["retryable"]
    assert "0.05 s" in result.content[0].text  # type: ignore[union-attr]


async def test_a_write_that_hangs_has_an_unknown_fate() -> None:
    spec = replace(SPEC, timeout_s=0.05, read_only=False, open_world=True)
    result = await asked(spec, never)
    assert code(result) == "fate_unknown"
    assert not failure_of(result)["retryable"]


async def test_a_time_limit_of_the_tools_own_is_not_taken_for_ours() -> None:
    async def late(_args: Any) -> Given:
        async with asyncio.timeout(0.01):
            return await never(_args)

    assert code(await asked(SPEC, late)) == "internal"


@pytest.mark.parametrize(
    ("value", "why"),
    [(nested(300), "nested"), ("\ud800", "nested"), (2**70, "nested"),
     ("x" * (ARGUMENT_BYTES + 1), "at most")],
)  # fmt: skip
async def test_arguments_that_are_too_much_are_refused_before_anything_looks_into_them(
    value: Any, why: str
) -> None:
    seen: list[Any] = []

    async def look(args: Any) -> Given:
        seen.append(args)
        return Given(text="ok")

    server = build("house", "For tests.", [Binding(SPEC, look)])
    entry = server.get_request_handler("tools/call")
    assert entry is not None
    params = entry.params_type.model_validate({"name": "ask", "arguments": {"value": value}})
    result = await entry.handler(_Context(), params)  # type: ignore[arg-type]
    assert isinstance(result, CallToolResult)
    assert code(result) == "bad_input"
    assert why in result.content[0].text  # type: ignore[union-attr]
    assert seen == []


class _Context:
    request = None
    meta = None


async def test_arguments_within_the_bounds_pass() -> None:
    for value in (nested(60), "ü" * 1_000_000, -(2**63), {"deep": {"er": [1, None, 2.5]}}):
        assert not (await asked(SPEC, answer, {"value": value})).is_error


@pytest.mark.parametrize(("args", "remedy"), [(Ask, "next_cursor"), (Narrow, "narrower")])
async def test_a_result_that_is_too_large_is_not_sent(args: type[Args], remedy: str) -> None:
    async def much(_args: Any) -> Given:
        return Given(text="x" * RESULT_CHARS)

    result = await asked(replace(SPEC, args=args), much)
    assert code(result) == "result_too_large"
    assert remedy in result.content[0].text  # type: ignore[union-attr]
    assert len(result.model_dump_json()) < 2_000


async def test_a_result_that_cannot_be_put_into_json_is_masked() -> None:
    async def torn(_args: Any) -> Given:
        return Given(text="\ud800")

    assert code(await asked(SPEC, torn)) == "internal"


def every_tool() -> Sequence[ToolSpec[Any, Any]]:
    found: list[ToolSpec[Any, Any]] = []
    for server in ("crafter", "enricher", "ghl", "guardrails", "hunter", "instantly"):
        module = getattr(servers, server).contract
        found += [one for one in vars(module).values() if isinstance(one, ToolSpec)]
    return found


def test_no_write_has_less_time_than_the_vendor_stack_takes() -> None:
    vendors = load_config(None).production.vendors
    slowest = max(getattr(vendors, name).timeouts.total for name in type(vendors).model_fields)
    tools = every_tool()
    writes = [one for one in tools if one.open_world and not one.read_only]
    assert len(tools) > 40
    assert len(writes) > 15
    assert all(one.limit_s > 600 > slowest for one in writes)  # 600: the most it may be set to


def test_the_queen_gives_up_before_the_tool_does_and_restarts_what_hangs() -> None:
    patience = load_config(None).production.work.call_timeout_s
    assert all(one.limit_s > patience for one in every_tool())


def test_what_a_caller_needs_is_said_by_what_the_tool_may_do() -> None:
    for one in every_tool():
        assert one.scope is (Scope.READ if one.read_only else Scope.OPERATE)
    assert servers.enricher.contract.ENRICH_LEAD.scope is Scope.OPERATE  # it spends credits
