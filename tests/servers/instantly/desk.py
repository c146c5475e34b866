"""The whole instantly server over the twin, with real permits, a real ledger and bad wires."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from guardrails.config import load_config
from guardrails.model import Mode
from servers.common.http import VendorClient
from servers.instantly.book import LedgerBook
from servers.instantly.campaign_form import definition
from servers.instantly.contract_reads import Reconciled, ReconcileEnrol
from servers.instantly.contract_writes import (
    CampaignSpec,
    EnrolLead,
    EnsureCampaign,
    Write,
    campaign_for,
    campaign_key,
)
from servers.instantly.service import InstantlyService
from servers.instantly.tools import Services, services
from servers.instantly.twin import InstantlyTwin
from servers.instantly.twin_lookups import KEY
from servers.instantly.twin_records import CAMPAIGN_STATUS
from servers.instantly.vendor import InstantlyOutreach
from servers.instantly.vendor_operations import OPERATIONS
from servers.instantly.vendor_writes import InstantlyPlatform
from servers.sandbox.host import Sandbox
from servers.sandbox.outbox import Sent, outbox
from servers.sandbox.wire import Site
from servers.sandbox.world import World
from tests.conftest import SteppableClock
from tests.servers.permits import PermitOffice
from tests.servers.wires import client_over, safety_with

SENDER = "sender@agency.example"
ANA = "ana@fresh.example"
SUBJECT = "Hiring at Kaede Advisory, & AI"
BODY = 'Hi 美咲,\n\nI saw <that>: "A & B\'s" {plan}.\n\nReply "no thanks" and I won\'t write again.'
_WORLD = World()  # immutable, so all tests may share it
HTTP_429, HTTP_500 = httpx.Response(429, json={}), httpx.Response(500, json={"message": "oh"})


class BadWire(httpx.AsyncBaseTransport):
    """The twin behind a wire that spoils the next writes: before the twin acts, or after."""

    def __init__(self, app: Sandbox) -> None:
        self._inner = httpx.ASGITransport(app)
        self.before: list[httpx.Response | Exception] = []
        self.after: list[httpx.Response | Exception] = []
        self.writes: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" or request.url.path.endswith("/leads/list"):
            return await self._inner.handle_async_request(request)
        await request.aread()
        self.writes.append(request)
        if self.before:
            return _spoiled(self.before.pop(0))
        response = await self._inner.handle_async_request(request)
        await response.aread()
        return _spoiled(self.after.pop(0)) if self.after else response


@cache
def _spec(zones: tuple[str, ...], day: date) -> CampaignSpec:
    window = load_config().production.sending_window
    since = datetime.combine(day, time(), UTC)
    spec = campaign_for("Swarm", SENDER, 30, window, [ZoneInfo(name) for name in zones], since)
    assert spec is not None
    return spec


def _spoiled(what: httpx.Response | Exception) -> httpx.Response:
    if isinstance(what, Exception):
        raise what
    return httpx.Response(what.status_code, headers=what.headers, content=what.content)


class Desk:
    """One instantly server and its twin. Sleeping moves the clock."""

    def __init__(self, office: PermitOffice, clock: SteppableClock) -> None:
        self.office, self.clock = office, clock
        self.app = Sandbox(Site(_WORLD, clock))
        self.wire = BadWire(self.app)
        self.tools = self.server()
        self._usual: dict[str, Any] = {}

    @property
    def twin(self) -> InstantlyTwin:
        twin = self.app.twins["instantly"]
        assert isinstance(twin, InstantlyTwin)
        return twin

    def client(self, mode: Mode = Mode.LIVE) -> VendorClient:
        return client_over(
            self.wire,
            OPERATIONS,
            mode=mode,
            base="http://127.0.0.1/instantly",
            vendor="instantly",
            keys={"Authorization": f"Bearer {KEY}"},
            safety=safety_with(writes=self.office.desk()),
        )

    def server(self) -> Services:
        """Another process: nothing but the ledger and the twin remembers."""
        production, client = load_config().production, self.client()
        office = self.office
        return services(
            InstantlyService(InstantlyOutreach(client)),
            InstantlyPlatform(client),
            LedgerBook(office.ledger, office.store, office.salt),
            production.sending_window,
            production.sending_limits,
            self.clock,
            self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.clock.step(seconds)

    async def permitted(self, args: Write) -> Any:
        """The same arguments with a permit for them, as guardrails would give it."""
        permit = await self.office.permit(args.intent(), args.key)
        return args.model_copy(update={"permit": permit})

    def spec(self, *zones: str, **changes: Any) -> CampaignSpec:
        """The campaign for recipients in these zones, New York's by default."""
        return _spec(zones or ("America/New_York",), self.clock().date()).model_copy(update=changes)

    def ensuring(self, spec: CampaignSpec | None = None, zone: str = "America/New_York") -> Any:
        """Arguments of ensure_campaign."""
        spec = spec or self.spec(zone)
        return EnsureCampaign(
            key=campaign_key(spec), permit="none", campaign=spec, recipient_zones=(zone,)
        )

    def campaign(self, status: str = "active", **changes: Any) -> str:
        """A campaign as the swarm makes it, made and started earlier."""
        self._usual = self._usual or definition(self.spec())
        made = self.twin.workspace.add_campaign(deepcopy(self._usual) | changes)
        made["status"] = CAMPAIGN_STATUS[status]
        return str(made["id"])

    def enrolling(self, campaign_id: str, **changes: Any) -> EnrolLead:
        """Arguments of enrol_lead, without a permit."""
        said = {
            "key": "send:1", "permit": "none", "campaign_id": campaign_id, "email": ANA,
            "subject": SUBJECT, "body": BODY, "sender": SENDER,
        }  # fmt: skip
        return EnrolLead(**said | changes)

    async def reconciled(self, args: EnrolLead) -> Reconciled:
        """What became of it, by the vendor."""
        asked = ReconcileEnrol(**args.model_dump(exclude={"permit"}))
        return await self.tools.leads.reconcile_enrol(asked)

    def outbox(self, to: str = ANA) -> list[Sent]:
        """What this person received."""
        return [sent for sent in outbox(self.app.twins.values()) if sent["to"] == to]

    def status(self, key: str = "send:1") -> str | None:
        """Where the write stands in the ledger."""
        return self.office.status(key)
