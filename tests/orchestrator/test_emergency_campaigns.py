"""Campaigns count as held when every page was read again and none runs; the rest is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from guardrails.authorize_model import Authorization
from guardrails.errors import SwarmError
from guardrails.model import Reason
from orchestrator.emergency_campaigns import Held, Holder
from orchestrator.emergency_vendors import by_reason
from orchestrator.mcp_session import Session
from servers.instantly.contract_reads import Campaign, RunningCampaigns
from servers.instantly.contract_writes import PausedAll

pytestmark = pytest.mark.anyio
A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"


class Instantly:
    """A server whose campaigns run as told, reading after reading."""

    def __init__(self, *readings: Sequence[str], stubborn: Sequence[str] = ()) -> None:
        self.readings = list(readings)
        self.stubborn = stubborn
        self.paused: list[str] = []
        self.keys: list[str] = []

    async def call(self, spec: Any, args: Any, _timeout_s: float) -> Any:
        if spec.name == "list_running":
            now = self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]
            shown = [Campaign(id=one, name=f"name\x1b{one[-1]}", status="active") for one in now]
            return RunningCampaigns(campaigns=tuple(shown))
        self.paused += [one.campaign_id for one in args.pauses]
        self.keys += [one.key for one in args.pauses]
        assert all(one.permit == f"permit for {one.key}" for one in args.pauses)
        return PausedAll(paused=(), not_verified=dict.fromkeys(self.stubborn, "it is active"))


class Guardrails:
    """A server that permits everything but what it is told not to."""

    def __init__(self, no: Sequence[str] = ()) -> None:
        self.no = no

    async def call(self, _spec: Any, args: Any, _timeout_s: float) -> Authorization:
        campaign = args.intent.recipient.removeprefix("campaign:")
        if campaign in self.no:
            why = Reason(code="x", text="the audit is full")
            return Authorization(verdict="refused", key=args.key, reasons=(why,))
        permit = f"permit for {args.key}"
        return Authorization(verdict="permitted", key=args.key, permit=permit)


async def held(instantly: Any, guardrails: Any) -> Held:
    found = Held()
    asks, leaves = cast(Session, instantly), cast("Session | None", guardrails)
    await Holder(asks, leaves, 7, "ab12").hold_all(found)
    return found


async def test_where_none_runs_nothing_is_written() -> None:
    instantly = Instantly([])
    found = await held(instantly, Guardrails())
    assert (found.running, found.left, instantly.paused) == ({}, {}, [])


async def test_what_runs_is_paused_under_a_key_of_this_press_and_read_again() -> None:
    instantly = Instantly([A, B], [])
    found = await held(instantly, Guardrails())
    assert sorted(instantly.paused) == [A, B]
    assert all(key.startswith("stop:7:ab12.0:") for key in instantly.keys)
    assert found.left == {}
    assert sorted(found.paused) == ["namea", "nameb"]  # outside text, without its control codes


async def test_what_begins_meanwhile_is_paused_as_well() -> None:
    instantly = Instantly([A], [B], [])
    found = await held(instantly, Guardrails())
    assert instantly.paused == [A, B]
    assert len(set(instantly.keys)) == 2
    assert found.left == {}


async def test_what_goes_on_running_is_named_with_what_the_server_said_of_it() -> None:
    instantly = Instantly([A, B], [B], stubborn=[B])
    found = await held(instantly, Guardrails())
    assert found.left == {B: "it is active"}
    assert found.paused == ["namea"]


async def test_without_leave_it_is_not_paused_and_says_why() -> None:
    instantly = Instantly([A, B], [A])
    found = await held(instantly, Guardrails(no=[A]))
    assert A not in instantly.paused
    assert "the audit is full" in found.left[A]


async def test_where_nothing_may_be_written_what_runs_is_only_named() -> None:
    instantly = Instantly([A])
    found = await held(instantly, None)
    assert (instantly.paused, list(found.left)) == ([], [A])


async def test_a_server_that_cannot_be_asked_verifies_nothing() -> None:
    class Down:
        async def call(self, *_args: Any) -> Any:
            raise SwarmError("Instantly answers 503")

    with pytest.raises(SwarmError):
        await held(Down(), Guardrails())


def test_a_reason_stands_once_however_many_run_on_for_it() -> None:
    held = Held(
        running={"a": "Q3", "b": "A", "c": "Z"},
        left={"a": "it is active", "b": "no leave", "c": "it is active"},
    )
    assert by_reason(held) == "it is active: Q3, Z; no leave: A"
