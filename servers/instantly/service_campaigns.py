"""The swarm's campaigns. Owns: that there is one of a name, that it renders approved texts only,
and that none is called active before it was read back so.

Refuses to start a campaign that holds leads which the swarm did not enrol: their variables are
not ours, and they would get an e-mail that nobody approved.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from guardrails.clock import Clock
from guardrails.config.models import SendingLimits, SendingWindow
from guardrails.errors import NotFound, Refused, VendorRejected
from guardrails.zones import zone
from servers.instantly.campaign_form import form_problems, problems
from servers.instantly.contract_reads import (
    Analytics,
    CampaignAnalytics,
    FindCampaign,
    FoundCampaign,
)
from servers.instantly.contract_schedule import keeps_window
from servers.instantly.contract_text import KEY_VARIABLE
from servers.instantly.contract_writes import (
    ActivateCampaign,
    CampaignSpec,
    EnsureCampaign,
    EnsuredCampaign,
    WriteResult,
    campaign_key,
)
from servers.instantly.ports import CampaignRecord, Platform
from servers.instantly.service_writes import Writer, is_done, is_open

_NOT_FOUND = 404
_MEND = "Mend or rename it at Instantly; a campaign that says anything else is not used."


class CampaignService:
    """Find, make, start, count. Args: `window` and `limits` are config/production.json's."""

    def __init__(
        self,
        platform: Platform,
        writer: Writer,
        window: SendingWindow,
        limits: SendingLimits,
        clock: Clock,
    ) -> None:
        self._platform = platform
        self._writer = writer
        self._window = window
        self._limits = limits
        self._clock = clock

    async def find_campaign(self, args: FindCampaign) -> FoundCampaign:
        """The one campaign of that name, and in what it differs.

        Raises:
            Refused: there are several of that name.
        """
        found = await self._one(args.campaign)
        if found is None:
            return FoundCampaign(campaign=None, differs=())
        return FoundCampaign(campaign=found.shown, differs=problems(found.document, args.campaign))

    async def campaign_analytics(self, args: CampaignAnalytics) -> Analytics:
        """Raises NotFound when Instantly counts nothing for this campaign."""
        counted = await self._platform.counted(args)
        if counted is None:
            raise NotFound("Instantly has no counts for this campaign")
        return counted

    async def ensure_campaign(self, args: EnsureCampaign) -> EnsuredCampaign:
        """The campaign, found or made as a draft.

        Raises:
            Refused: several of that name, one that differs, or a schedule outside the window.
        """
        self._require_ours(args)
        row = await self._writer.row(args)
        found = await self._one(args.campaign)
        if found is None and row is not None and row.vendor_ref is not None:
            found = await self._made_before(row.vendor_ref)
        if found is not None:
            _require_same(found, args.campaign)
            kept = await self._writer.already(args, found.shown.id, "")
            return _ensured(kept, found)
        if is_done(row):
            raise Refused(
                f"{args.campaign.name!r} was made and is not there any more", remedy=_MEND
            )
        if is_open(row):
            text = "it may have been made, and Instantly does not list it"
            return EnsuredCampaign(
                status="unknown", vendor_ref=None, detail=text, campaign_status=None
            )
        result = await self._writer.perform(args, lambda made: self._made(made, args.campaign))
        if result.vendor_ref is None:
            return _ensured(result, None)
        made = await self._platform.campaign(result.vendor_ref)
        _require_same(made, args.campaign)
        return _ensured(result, made)

    async def activate_campaign(self, args: ActivateCampaign) -> WriteResult:
        """Start it, and read back that it is active.

        Raises:
            Refused: not as it shall be, foreign leads, or the vendor holds it for a reason.
        """
        row = await self._writer.row(args)
        record = await self._platform.campaign(args.campaign_id)
        if found := form_problems(record.document):
            listed = "; ".join(found)
            raise Refused(f"the campaign is not as it shall be: {listed}", remedy=_MEND)
        if record.shown.status == "active":
            return await self._writer.already(args, args.campaign_id, "it is active")
        if is_done(row):
            raise Refused(
                f"started under this key before, and it is {record.shown.status} now",
                remedy="Starting it again is another write and needs a key of its own.",
            )
        if not record.quiet:
            raise Refused(
                f"Instantly holds the campaign: {record.shown.status}",
                remedy="Look at its mailboxes and account at Instantly first.",
            )
        await self._require_only_ours(args.campaign_id)
        return await self._writer.perform(args, lambda _: self._started(args.campaign_id))

    async def _one(self, spec: CampaignSpec) -> CampaignRecord | None:
        found = await self._platform.named_exactly(spec.name)
        if len(found) > 1:
            ids = ", ".join(one.shown.id for one in found)
            raise Refused(f"several campaigns are called {spec.name!r}: {ids}", remedy=_MEND)
        return found[0] if found else None

    async def _made_before(self, campaign_id: str) -> CampaignRecord:
        """By its id, since lists may lag."""
        try:
            return await self._platform.campaign(campaign_id)
        except VendorRejected as error:
            if error.status != _NOT_FOUND:
                raise
            raise Refused(
                "the campaign was made before and is not there any more",
                remedy="A campaign is made once: give it another name in config/production.json.",
            ) from error

    async def _made(self, made: str | None, spec: CampaignSpec) -> str | None:
        if made is not None:
            return (await self._platform.campaign(made)).shown.id
        found = await self._one(spec)
        return found.shown.id if found else None

    async def _started(self, campaign_id: str) -> str | None:
        record = await self._platform.campaign(campaign_id)
        return campaign_id if record.shown.status == "active" else None

    async def _require_only_ours(self, campaign_id: str) -> None:
        leads = await self._platform.all_leads(campaign_id)
        foreign = sum(1 for one in leads if not one.variables.get(KEY_VARIABLE))
        if foreign:
            raise Refused(
                f"{foreign} leads of the campaign were not enrolled by the swarm",
                remedy="Take them out at Instantly: they would get an e-mail nobody approved.",
            )

    def _require_ours(self, args: EnsureCampaign) -> None:
        spec = args.campaign
        if args.key != campaign_key(spec):
            raise Refused(
                "a campaign is made under its own key alone, so that it is made once",
                remedy=f"The key is {campaign_key(spec)}.",
            )
        zones = [zone(name) for name in args.recipient_zones]
        known: list[ZoneInfo] = [place for place in zones if place is not None]
        if len(known) < len(zones):
            raise Refused("a recipient's time zone is unknown")
        if not keeps_window(spec.schedule, self._window, known, self._clock()):
            raise Refused(
                "the schedule would send outside the recipients' window",
                remedy="campaign_for makes one that does not.",
            )
        if spec.daily_limit > self._limits.per_mailbox_day:
            raise Refused(f"more than {self._limits.per_mailbox_day} e-mails a day from a mailbox")


def _require_same(found: CampaignRecord, spec: CampaignSpec) -> None:
    if differs := problems(found.document, spec):
        listed = "; ".join(differs)
        raise Refused(f"the campaign {spec.name!r} is not as it shall be: {listed}", remedy=_MEND)


def _ensured(result: WriteResult, record: CampaignRecord | None) -> EnsuredCampaign:
    status = record.shown.status if record else None
    return EnsuredCampaign(**result.model_dump(), campaign_status=status)
