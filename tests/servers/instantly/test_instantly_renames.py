"""A field that Instantly renamed or emptied is drift, or tells nothing: never a cleaner view."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from guardrails.errors import VendorSchemaDrift
from servers.instantly.contract import LookUpAddress
from servers.instantly.contract_reads import ListCampaigns
from servers.instantly.service import InstantlyService
from servers.instantly.vendor import OPERATIONS, InstantlyOutreach
from servers.instantly.vendor_pages import PAGE
from servers.sandbox.host import Sandbox
from tests.servers.wires import ScriptedWire, answer, client_over, sandbox, twin_client

pytestmark = pytest.mark.anyio
EMAIL = "ana@firm.example"
BLOCKED = "no.thanks@quietharbor.example"
Seen = tuple[bool, str | None, str | None]


@pytest.fixture(scope="module")
def twins() -> Sandbox:
    return sandbox()


@pytest.fixture(autouse=True)
def as_documented(twins: Sandbox) -> Iterator[None]:
    yield
    twins.site.behaviour.renames = {}
    twins.site.behaviour.retypes = {}


def service_on(twins: Sandbox) -> InstantlyService:
    return InstantlyService(InstantlyOutreach(twin_client(twins, "instantly", OPERATIONS)))


async def seen(service: InstantlyService, email: str = EMAIL) -> Seen:
    """What the rules look at: no rule reads the campaigns' ids."""
    view = (await service.look_up_address(LookUpAddress(email=email))).outreach
    return view.blocked, view.lead_status, view.interest


async def scripted(leads: list[dict[str, Any]], entries: int = 0) -> Seen:
    blocked = [{"id": f"b{i}", "bl_value": f"p{i}@firm.example"} for i in range(entries)]

    def reply(request: httpx.Request) -> httpx.Response:
        return answer(200, {"items": leads if request.method == "POST" else blocked})

    client = client_over(ScriptedWire(reply), OPERATIONS, vendor="instantly")
    return await seen(InstantlyService(InstantlyOutreach(client)))


def known(twins: Sandbox) -> dict[str, str]:
    """One address of each kind that must not be written to."""
    held = twins.site.world.outreach
    return {
        "unsubscribed": next(x.email for x in held if x.status == -2 and x.interest is None),
        "bounced": next(x.email for x in held if x.status == -1 and x.interest is None),
        "active": next(x.email for x in held if x.status == 1 and x.interest is None),
        "not interested": next(x.email for x in held if x.status == 3 and x.interest == -1),
        "blocked": BLOCKED,
    }


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *((kind, name) for kind in ("unsubscribed", "bounced") for name in ("email", "status")),
        ("active", "status"),
        ("not interested", "email"),
        ("not interested", "lt_interest_status"),
        ("blocked", "bl_value"),
        ("blocked", "items"),
    ],
)
async def test_a_renamed_safety_field_is_drift(twins: Sandbox, kind: str, field: str) -> None:
    email = known(twins)[kind]
    assert await seen(service_on(twins), email) != (False, None, None)
    twins.site.behaviour.renames = {"instantly": {field: "zzz"}}
    with pytest.raises(VendorSchemaDrift):
        await seen(service_on(twins), email)


@pytest.mark.parametrize("change", ["renames", "retypes"])
async def test_no_changed_field_at_all_gives_a_cleaner_view(twins: Sandbox, change: str) -> None:
    names = {"items", "id", "email", "status", "lt_interest_status", "campaign", "bl_value"}
    for email in known(twins).values():
        before = await seen(service_on(twins), email)
        for name in sorted(names | {"is_domain", "payload", "website", "status_summary"}):
            to = "zzz" if change == "renames" else "null"
            setattr(twins.site.behaviour, change, {"instantly": {name: to}})
            try:
                assert await seen(service_on(twins), email) == before, name
            except VendorSchemaDrift:
                continue
        setattr(twins.site.behaviour, change, {})


@pytest.mark.parametrize("field", ["items", "id", "name", "status"])
async def test_a_campaign_without_its_status_or_name_is_drift(twins: Sandbox, field: str) -> None:
    twins.site.behaviour.renames = {"instantly": {field: "zzz"}}
    with pytest.raises(VendorSchemaDrift):
        await service_on(twins).list_campaigns(ListCampaigns())


async def test_a_new_property_beside_a_known_interest_is_no_drift() -> None:
    lead = {"id": "1", "email": EMAIL, "status": 3, "mood": 7}
    assert await scripted([lead | {"lt_interest_status": -1}]) == (
        False,
        "completed",
        "not_interested",
    )
    with pytest.raises(VendorSchemaDrift, match="lt_interest_status"):
        await scripted([lead])
    assert await scripted([lead | {"email": "other@firm.example"}]) == (False, None, None)


@pytest.mark.parametrize("field", ["email", "status", "lt_interest_status"])
async def test_null_where_the_vendor_documents_a_value_is_drift(field: str) -> None:
    lead = {"id": "1", "email": EMAIL, "status": 3, "lt_interest_status": 1}
    with pytest.raises(VendorSchemaDrift):
        await scripted([lead | {field: None}])


async def test_a_full_page_that_names_no_next_one_is_drift() -> None:
    leads = [{"id": f"l{i}", "email": f"p{i}@firm.example", "status": 1} for i in range(PAGE)]
    assert await scripted(leads[1:], PAGE - 1) == (False, None, None)
    with pytest.raises(VendorSchemaDrift):
        await scripted(leads)
    with pytest.raises(VendorSchemaDrift):
        await scripted([], PAGE)
