"""How many requests are read before their answers are taken."""

from __future__ import annotations

import asyncio
from typing import Any

import mcp_types as types
import pytest

from servers.common.in_flight import InFlight

pytestmark = pytest.mark.anyio


def request(number: int | str) -> types.JSONRPCRequest:
    return types.JSONRPCRequest(jsonrpc="2.0", id=number, method="tools/call")


def answered(number: int | str) -> types.JSONRPCResponse:
    return types.JSONRPCResponse(jsonrpc="2.0", id=number, result={})


def cancelled(number: Any) -> types.JSONRPCNotification:
    told = {"requestId": number}
    return types.JSONRPCNotification(jsonrpc="2.0", method="notifications/cancelled", params=told)


async def is_full(in_flight: InFlight) -> bool:
    waiting = asyncio.create_task(in_flight.room())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return not waiting.done() and waiting.cancel()


async def test_nothing_more_is_read_while_as_many_wait_as_may() -> None:
    in_flight = InFlight(most=2)
    in_flight.read(request(1))
    assert not await is_full(in_flight)
    in_flight.read(request(2))
    assert await is_full(in_flight)


async def test_an_answer_that_was_taken_makes_room_for_who_waits() -> None:
    in_flight = InFlight(most=1)
    in_flight.read(request(1))
    waiting = asyncio.create_task(in_flight.room())
    await asyncio.sleep(0)
    in_flight.written(answered(1))
    await waiting


async def test_a_cancelled_request_counts_no_more_whether_it_is_answered_or_not() -> None:
    in_flight = InFlight(most=1)
    in_flight.read(request(1))
    in_flight.read(cancelled(1))
    assert not await is_full(in_flight)
    in_flight.written(answered(1))
    assert not await is_full(in_flight)


async def test_requests_under_one_id_count_one_by_one() -> None:
    """The SDK works on all of them, and cancels the newest alone."""
    in_flight = InFlight(most=2)
    in_flight.read(request(1))
    in_flight.read(request("1"))
    assert await is_full(in_flight)
    in_flight.read(cancelled(1))
    in_flight.read(cancelled(1))
    assert await is_full(in_flight)
    in_flight.written(answered("1"))
    assert not await is_full(in_flight)


async def test_an_id_that_the_client_writes_as_text_is_the_same() -> None:
    in_flight = InFlight(most=1)
    in_flight.read(request(1))
    in_flight.read(cancelled("1"))
    assert not await is_full(in_flight)


@pytest.mark.parametrize("number", [None, [1], {"x": 1}, 7, True])
async def test_a_cancellation_of_nothing_changes_nothing(number: Any) -> None:
    in_flight = InFlight(most=1)
    in_flight.read(request(1))
    in_flight.read(cancelled(number))
    assert await is_full(in_flight)


async def test_what_is_no_request_does_not_count() -> None:
    in_flight = InFlight(most=1)
    in_flight.read(answered(5))
    in_flight.written(request(6))
    assert not await is_full(in_flight)
