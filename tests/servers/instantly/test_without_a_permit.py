"""No permit, or shadow mode: no tool of this server lets a write leave."""

from __future__ import annotations

import json
from typing import Any

import pytest

from guardrails.config import load_config
from guardrails.errors import Refused
from guardrails.model import Mode
from servers.instantly.book import NoBook
from servers.instantly.contract_reads import ListRunning
from servers.instantly.contract_writes import PauseAll, PauseCampaign, Write
from servers.instantly.service import InstantlyService
from servers.instantly.tools import services
from servers.instantly.vendor import InstantlyOutreach
from servers.instantly.vendor_writes import InstantlyPlatform
from tests.servers.instantly.desk import Desk
from tests.servers.instantly.test_requests import ARGUMENTS, SAMPLES

pytestmark = pytest.mark.anyio


def samples() -> dict[str, Write]:
    """The arguments of one call of each write tool."""
    said = [json.loads(path.read_text()) for path in SAMPLES]
    return {one["tool"]: ARGUMENTS[one["tool"]].model_validate(one["arguments"]) for one in said}


def methods(all_of: Any) -> dict[str, Any]:
    return {
        name: next(
            getattr(part, name)
            for part in (all_of.campaigns, all_of.pauses, all_of.leads, all_of.rest)
            if hasattr(part, name)
        )
        for name in ARGUMENTS
    }


async def test_the_vendor_stack_itself_refuses_each_write_with_a_forged_permit(desk: Desk) -> None:
    platform = InstantlyPlatform(desk.client())
    for args in samples().values():
        good = (await desk.permitted(args)).permit
        for permit in ("forged", "", good[:-8] + "AAAAAAAA"):
            with pytest.raises(Refused):
                await platform.write(args.model_copy(update={"permit": permit}))
    assert desk.wire.writes == []


async def test_a_permit_for_another_of_the_writes_is_none(desk: Desk) -> None:
    platform, every = InstantlyPlatform(desk.client()), samples()
    pause = await desk.permitted(every["pause_campaign"])
    for tool, args in every.items():
        if tool != "pause_campaign":
            with pytest.raises(Refused):
                await platform.write(args.model_copy(update={"permit": pause.permit}))
    assert desk.wire.writes == []


async def test_in_shadow_every_write_tool_refuses(desk: Desk) -> None:
    production, client = load_config().production, desk.client(Mode.SHADOW)
    all_of = services(
        InstantlyService(InstantlyOutreach(client)),
        InstantlyPlatform(client),
        NoBook(),
        production.sending_window,
        production.sending_limits,
        desk.clock,
    )
    for tool, args in samples().items():
        with pytest.raises(Refused):
            await methods(all_of)[tool](args)
        with pytest.raises(Refused):
            await InstantlyPlatform(client).write(args)
    running = await all_of.pauses.list_running(ListRunning())
    asked = PauseCampaign(key="p", permit="", campaign_id=running.campaigns[0].id)
    result = await all_of.pauses.pause_all(PauseAll(pauses=(asked,)))
    assert result.not_verified.keys() == {asked.campaign_id}
    assert desk.wire.writes == []
