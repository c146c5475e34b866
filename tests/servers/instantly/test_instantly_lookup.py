"""Instantly look-ups: over the twin, and over answers a twin would not give."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from guardrails.errors import BadInput, VendorError, VendorSchemaDrift
from guardrails.model import OutreachView
from servers.instantly.contract import LookUpAddress
from servers.instantly.contract_reads import ListCampaigns
from servers.instantly.service import InstantlyService
from servers.instantly.vendor import MAX_PAGES, OPERATIONS, InstantlyOutreach
from servers.sandbox.host import Sandbox
from tests.servers.wires import ScriptedWire, answer, client_over, sandbox, twin_client

pytestmark = pytest.mark.anyio


@pytest.fixture
def twins() -> Sandbox:
    return sandbox()


@pytest.fixture
def on_twin(twins: Sandbox) -> InstantlyService:
    return InstantlyService(InstantlyOutreach(twin_client(twins, "instantly", OPERATIONS)))


def vendor_with(leads: list[dict[str, Any]], blocked: list[str]) -> ScriptedWire:
    """Answers every search with everything it has: the adapter must check."""
    entries = [{"id": f"b{i}", "bl_value": value} for i, value in enumerate(blocked)]

    def reply(request: httpx.Request) -> httpx.Response:
        asked_leads = request.url.path.endswith("/leads/list")
        items = [{"id": f"l{i}", "status": 3, **lead} for i, lead in enumerate(leads)]
        return answer(200, {"items": items if asked_leads else entries})

    return ScriptedWire(reply)


async def looked_up(
    wire: httpx.AsyncBaseTransport, email: str = "ana@firm.example"
) -> OutreachView:
    client = client_over(wire, OPERATIONS, vendor="instantly")
    service = InstantlyService(InstantlyOutreach(client))
    return (await service.look_up_address(LookUpAddress(email=email))).outreach


@pytest.mark.parametrize(
    ("email", "blocked"),
    [
        ("anybody@mutedlake.example", True),
        ("Anybody@EU.MutedLake.example", True),
        ("no.thanks@quietharbor.example", True),
        ("other@quietharbor.example", False),
        ("anybody@notmutedlake.example", False),
    ],
)
async def test_the_block_list_holds_for_address_domain_and_what_is_below(
    on_twin: InstantlyService, email: str, blocked: bool
) -> None:
    found = await on_twin.look_up_address(LookUpAddress(email=email))
    assert found.outreach.blocked is blocked


async def test_an_address_in_campaigns_is_found_with_status(
    on_twin: InstantlyService, twins: Sandbox
) -> None:
    held = next(lead for lead in twins.site.world.outreach if lead.status == -2)
    found = (await on_twin.look_up_address(LookUpAddress(email=held.email.upper()))).outreach
    assert found.lead_status == "unsubscribed"
    assert len(found.campaign_ids) == 1
    assert twins.site.counters.report()["by_kind"]["write"] == 0


async def test_an_outage_is_an_error_and_never_an_empty_view(twins: Sandbox) -> None:
    twins.site.behaviour.outage = {"instantly": 500}
    service = InstantlyService(InstantlyOutreach(twin_client(twins, "instantly", OPERATIONS)))
    with pytest.raises(VendorError):
        await service.look_up_address(LookUpAddress(email="ana@firm.example"))


@pytest.mark.parametrize(
    ("value", "blocked"),
    [
        ("ana@firm.example", True),
        ("ANA@FIRM.EXAMPLE", True),
        ("firm.example", True),
        ("@firm.example", True),
        ("*.firm.example", True),
        ("bob@firm.example", False),
        ("rm.example", False),
        ("firm.example.org", False),
        ("a@firm.example", False),
        ("example", False),
        ("%%%", False),
    ],
)
async def test_a_loose_search_of_the_vendor_does_not_block_others(
    value: str, blocked: bool
) -> None:
    assert (await looked_up(vendor_with([], [value]))).blocked is blocked


async def test_leads_with_another_address_are_ignored() -> None:
    leads = [{"email": "banana@firm.example", "status": -2}]
    assert await looked_up(vendor_with(leads, [])) == OutreachView()


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        ([1, -2, 3], "unsubscribed"),
        ([3, -1], "bounced"),
        ([3, 1], "active"),
        ([-3], "skipped"),
        ([3, 99], "unknown(99)"),
    ],
)
async def test_the_gravest_status_speaks(statuses: list[int], said: str) -> None:
    leads = [{"email": "Ana@firm.example", "status": status} for status in statuses]
    assert (await looked_up(vendor_with(leads, []))).lead_status == said


async def test_the_gravest_interest_speaks_and_zero_is_out_of_office() -> None:
    one = [{"email": "ana@firm.example", "lt_interest_status": 0}]
    two = [*one, {"email": "ana@firm.example", "lt_interest_status": -1, "campaign": "k1"}]
    assert (await looked_up(vendor_with(one, []))).interest == "out_of_office"
    view = await looked_up(vendor_with(two, []))
    assert (view.interest, view.campaign_ids) == ("not_interested", ("k1",))


async def test_every_page_of_leads_is_read_with_the_cursor_in_the_body() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/leads/list"):
            return answer(200, {"items": []})
        if b"starting_after" in request.content:
            return answer(200, {"items": [{"id": "2", "email": "ana@firm.example", "status": -1}]})
        return answer(
            200,
            {
                "items": [{"id": "1", "email": "x@y.example", "status": 1}],
                "next_starting_after": "1",
            },
        )

    assert (await looked_up(ScriptedWire(reply))).lead_status == "bounced"


async def test_an_empty_page_ends_the_list_whatever_its_cursor_says() -> None:
    wire = ScriptedWire(answer(200, {"items": [], "next_starting_after": "again"}))
    assert await looked_up(wire) == OutreachView()


async def test_an_endless_list_is_an_error() -> None:
    page = {"items": [{"id": "1", "email": "x@y.example", "status": 1, "bl_value": "y.example"}]}
    wire = ScriptedWire(answer(200, page | {"next_starting_after": "more"}))
    with pytest.raises(VendorError, match="more than"):
        await looked_up(wire)
    assert len(wire.seen) <= MAX_PAGES * 4


@pytest.mark.parametrize(
    "odd",
    [{}, {"items": None}, {"items": [{"email": "x"}]}, {"items": [], "next_starting_after": 7}],
)
async def test_a_drifted_answer_is_an_error(odd: dict[str, Any]) -> None:
    with pytest.raises(VendorSchemaDrift):
        await looked_up(ScriptedWire(answer(200, odd)))


async def test_campaigns_come_page_by_page_with_names_for_numbers(
    on_twin: InstantlyService,
) -> None:
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(10):
        page = await on_twin.list_campaigns(ListCampaigns(cursor=cursor, limit=2))
        assert len(page.campaigns) <= 2
        seen += [campaign.id for campaign in page.campaigns]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) >= 3


async def test_an_unknown_campaign_status_is_shown_as_such() -> None:
    items = [{"id": "a", "name": "A", "status": -99}, {"id": "b", "name": "B", "status": 42}]
    client = client_over(ScriptedWire(answer(200, {"items": items})), OPERATIONS)
    page = await InstantlyService(InstantlyOutreach(client)).list_campaigns(ListCampaigns())
    assert [campaign.status for campaign in page.campaigns] == ["suspended", "unknown(42)"]


async def test_nonsense_is_refused_before_anybody_is_asked() -> None:
    wire = vendor_with([], [])
    with pytest.raises(BadInput):
        await looked_up(wire, "not an address")
    assert wire.seen == []
