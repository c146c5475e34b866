"""Holding campaigns. Owns: that none is called paused before it was read back so, on every page.

Refuses nothing that can be held: any campaign of the workspace may be, whoever made it.
"""

from __future__ import annotations

import asyncio

from guardrails.errors import Refused, SwarmError
from servers.instantly.contract_reads import ListRunning, RunningCampaigns
from servers.instantly.contract_writes import PauseAll, PauseCampaign, PausedAll, WriteResult
from servers.instantly.ports import QUIET, CampaignRecord, Platform
from servers.instantly.service_writes import Writer, is_done

_AT_ONCE = 8


class PauseService:
    """List what runs, hold one, hold all."""

    def __init__(self, platform: Platform, writer: Writer) -> None:
        self._platform = platform
        self._writer = writer

    async def list_running(self, args: ListRunning) -> RunningCampaigns:
        """Every campaign that sends or may begin to by itself, all pages."""
        found = await self._platform.all_campaigns()
        return RunningCampaigns(campaigns=tuple(one.shown for one in found if not one.quiet))

    async def pause_campaign(self, args: PauseCampaign) -> WriteResult:
        """Hold it, and read back that it does not run."""
        row = await self._writer.row(args)
        record = await self._platform.campaign(args.campaign_id)
        if record.quiet:
            return await self._writer.already(
                args, args.campaign_id, f"it is {record.shown.status}"
            )
        if is_done(row):
            raise Refused(
                "held under this key before, and it runs again",
                remedy="Holding it again is another write and needs a key of its own.",
            )
        return await self._writer.perform(args, lambda _: self._held(args.campaign_id))

    async def pause_all(self, args: PauseAll) -> PausedAll:
        """Hold the named campaigns, then read every page again; what runs on is named."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def hold(one: PauseCampaign) -> str:
            async with gate:
                try:
                    result = await self.pause_campaign(one)
                except SwarmError as error:
                    return error.message
            return result.detail

        said = await asyncio.gather(*(hold(one) for one in args.pauses))
        why = {one.campaign_id: text for one, text in zip(args.pauses, said, strict=True)}
        try:
            standing = {one.shown.id: one for one in await self._platform.all_campaigns()}
        except SwarmError as error:
            unread = f"the campaigns could not be read again: {error.message}"
            return PausedAll(paused=(), not_verified=dict.fromkeys([*why, "*"], unread))
        return _paused(why, standing)

    async def _held(self, campaign_id: str) -> str | None:
        record = await self._platform.campaign(campaign_id)
        return campaign_id if record.shown.status in QUIET else None


def _paused(why: dict[str, str], standing: dict[str, CampaignRecord]) -> PausedAll:
    not_verified = {}
    for campaign_id, said in why.items():
        record = standing.get(campaign_id)
        if record is None:
            not_verified[campaign_id] = said or "Instantly does not list it"
        elif not record.quiet:
            not_verified[campaign_id] = f"it is {record.shown.status}. {said}".strip()
    for campaign_id, record in standing.items():
        if campaign_id not in why and not record.quiet:
            not_verified[campaign_id] = f"it is {record.shown.status}, and nobody named it"
    paused = tuple(sorted(why.keys() - not_verified.keys()))
    return PausedAll(paused=paused, not_verified=not_verified)
