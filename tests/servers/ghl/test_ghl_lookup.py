"""GHL look-ups: over the twin, and over answers a twin would not give."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from guardrails.errors import BadInput, VendorError, VendorRejected
from guardrails.model import CrmView
from servers.ghl.contract import LookUpLead
from servers.ghl.service import GhlService
from servers.ghl.vendor import MAX_PAGES, OPERATIONS, PAGE, GhlCrm
from servers.sandbox.host import Sandbox
from tests.servers.ghl.answers import HIT, RULES, VERSION, contact, looked_up, over, page
from tests.servers.wires import ScriptedWire, sandbox, twin_client

pytestmark = pytest.mark.anyio


@pytest.fixture
def twins() -> Sandbox:
    return sandbox()


@pytest.fixture
def on_twin(twins: Sandbox) -> GhlService:
    client = twin_client(twins, "ghl", OPERATIONS)
    return GhlService(GhlCrm(client, "sandboxLocation00001", VERSION), RULES)


async def test_a_contact_with_dnd_is_found_though_the_search_hides_dnd(
    on_twin: GhlService, twins: Sandbox
) -> None:
    found = await on_twin.look_up_lead(LookUpLead(email="STOP@mutedlake.example"))
    assert found.crm.dnd_email
    assert found.crm.tags == ("unsubscribed",)
    assert found.crm.contact_id is not None
    assert twins.site.counters.report()["by_kind"] == {"read": 2, "paid_read": 0, "write": 0}


async def test_a_subsidiary_of_a_customer_names_the_customer(on_twin: GhlService) -> None:
    found = await on_twin.look_up_lead(
        LookUpLead(
            email="new@larkfieldlegal.example",
            domains=("larkfieldlegal.example", "larkfieldgroup.example"),
        )
    )
    assert found.crm.is_customer
    assert found.crm.customer_domain == "larkfieldgroup.example"


async def test_nobody_known_gives_an_empty_view(on_twin: GhlService) -> None:
    args = LookUpLead(email="x@nowhere.example", domains=("nowhere.example",))
    assert (await on_twin.look_up_lead(args)).crm == CrmView()


async def test_an_outage_is_an_error_and_never_an_empty_view(twins: Sandbox) -> None:
    twins.site.behaviour.outage = {"ghl": 503}
    service = GhlService(
        GhlCrm(twin_client(twins, "ghl", OPERATIONS), "sandboxLocation00001", VERSION), RULES
    )
    with pytest.raises(VendorError):
        await service.look_up_lead(LookUpLead(email="stop@mutedlake.example"))


async def test_the_wrong_location_is_an_error(twins: Sandbox) -> None:
    service = GhlService(GhlCrm(twin_client(twins, "ghl", OPERATIONS), "elsewhere", VERSION), RULES)
    with pytest.raises(VendorRejected):
        await service.look_up_lead(LookUpLead(email="stop@mutedlake.example"))


@pytest.mark.parametrize(
    ("fields", "blocked"),
    [
        ({}, False),
        ({"dnd": False, "dndSettings": {}}, False),
        ({"dndSettings": {"Email": {"status": "inactive"}}}, False),
        ({"dndSettings": {"SMS": {"status": "active"}}}, False),
        ({"dndSettings": {"Email": {"status": "active"}}}, True),
        ({"dndSettings": {"Email": {"status": "permanent"}}}, True),
        ({"dndSettings": {"Email": {"status": "a new word"}}}, True),
        ({"dnd": True}, True),
        ({"inboundDndSettings": {"all": {"status": "active"}}}, True),
        ({"inboundDndSettings": {"all": {"status": "inactive"}}}, False),
    ],
)
async def test_what_counts_as_dnd(fields: dict[str, Any], blocked: bool) -> None:
    assert (
        await looked_up(ScriptedWire(HIT, contact(**fields)), "ana@firm.example")
    ).dnd_email is (blocked)


@pytest.mark.parametrize(
    "stamp", ["2026-03-01T10:00:00.000Z", 1772359200000, "2026-03-01T10:00:00"]
)
async def test_last_activity_is_read_in_each_form(stamp: object) -> None:
    view = await looked_up(ScriptedWire(HIT, contact(lastActivity=stamp)), "ana@firm.example")
    assert view.last_contacted_at == datetime(2026, 3, 1, 10, tzinfo=UTC)


async def test_a_bounce_tag_in_any_case_counts() -> None:
    wire = ScriptedWire(HIT, contact(tags=["Hard Bounce"]))
    assert (await looked_up(wire, "ana@firm.example")).bounced


async def test_duplicates_of_one_address_are_all_read_and_the_gravest_counts() -> None:
    wire = ScriptedWire(
        page({"id": "c1", "email": "ana@firm.example"}, {"id": "c2", "email": "ana@firm.example"}),
        lambda request: contact(
            id=request.url.path.rpartition("/")[2], dnd=request.url.path.endswith("c2")
        ),
    )
    view = await looked_up(wire, "ana@firm.example")
    assert (view.contact_id, view.dnd_email) == ("c1", True)


async def test_a_hit_with_another_address_is_not_this_person() -> None:
    wire = ScriptedWire(page({"id": "c9", "email": "ana@firm.example.evil.example"}))
    assert await looked_up(wire, "ana@firm.example") == CrmView()
    assert len(wire.seen) == 1


async def test_a_second_address_of_a_contact_counts() -> None:
    hit = page(
        {"id": "c1", "email": "a@x.example", "additionalEmails": [{"email": "ana@firm.example"}]}
    )
    view = await looked_up(ScriptedWire(hit, contact(dnd=True)), "ana@firm.example")
    assert view.dnd_email


@pytest.mark.parametrize(
    ("hit", "matches"),
    [
        ({"email": "x@firm.example", "tags": ["Customer"]}, True),
        ({"email": "x@eu.firm.example", "tags": ["customer"]}, True),
        (
            {
                "email": "x@gone.example",
                "website": "https://www.firm.example/a",
                "type": "customer",
            },
            True,
        ),
        ({"email": "x@notfirm.example", "tags": ["customer"]}, False),
        ({"email": "x@firm.example.evil.example", "tags": ["customer"]}, False),
        ({"email": "x@firm.example", "tags": ["former customer", "not-customer"]}, False),
        ({"email": "x@firm.example", "type": "lead"}, False),
    ],
)
async def test_a_customer_is_matched_by_exact_domain_and_mark(
    hit: dict[str, Any], matches: bool
) -> None:
    view = await looked_up(ScriptedWire(page({"id": "c1", **hit})), None, "firm.example")
    assert view.is_customer is matches
    assert view.customer_domain == ("firm.example" if matches else None)


async def test_a_subdomain_is_looked_up_by_what_is_registered() -> None:
    wire = ScriptedWire(page({"id": "c1", "email": "x@firm.example", "type": "customer"}))
    view = await looked_up(wire, None, "mail.firm.example")
    assert view.customer_domain == "firm.example"


async def test_free_mail_is_nobodys_company() -> None:
    wire = ScriptedWire(page())
    assert await looked_up(wire, None, "freemail.example") == CrmView()
    assert wire.seen == []


async def test_every_page_is_read() -> None:
    many = [{"id": f"c{i}", "email": f"p{i}@other.example"} for i in range(PAGE)]
    last = {"id": "z", "email": "x@firm.example", "type": "customer"}
    wire = ScriptedWire(page(*many), page(last))
    assert (await looked_up(wire, None, "firm.example")).is_customer
    assert [body["page"] for body in wire.bodies()] == [1, 2]


async def test_an_endless_search_is_an_error() -> None:
    many = [{"id": f"c{i}", "email": f"p{i}@other.example"} for i in range(PAGE)]
    wire = ScriptedWire(page(*many))
    with pytest.raises(VendorError, match="more than"):
        await looked_up(wire, None, "firm.example")
    assert len(wire.seen) == MAX_PAGES


async def test_requests_carry_version_and_location() -> None:
    wire = ScriptedWire(HIT, contact())
    await looked_up(wire, "ana@firm.example")
    assert {request.headers["version"] for request in wire.seen} == {"2021-07-28"}
    sent = httpx.Response(200, content=wire.seen[0].content).json()
    assert sent == {
        "locationId": "loc1",
        "page": 1,
        "pageLimit": PAGE,
        "filters": [{"field": "email", "operator": "eq", "value": "ana@firm.example"}],
    }


async def test_an_address_too_long_for_a_filter_is_found_by_its_end(twins: Sandbox) -> None:
    email = "a" * 60 + "@" + "b" * 40 + ".example"
    wire = ScriptedWire(page({"id": "c1", "email": email}), contact(email=email, dnd=True))
    assert (await looked_up(wire, email)).dnd_email
    on_twin = GhlService(
        GhlCrm(twin_client(twins, "ghl", OPERATIONS), "sandboxLocation00001", VERSION), RULES
    )
    assert (await on_twin.look_up_lead(LookUpLead(email=email))).crm == CrmView()


@pytest.mark.parametrize("args", [{"email": "nope"}, {"email": None, "domains": ("not a domain",)}])
async def test_nonsense_is_refused_before_anybody_is_asked(args: dict[str, Any]) -> None:
    wire = ScriptedWire(HIT)
    with pytest.raises(BadInput):
        await over(wire).look_up_lead(LookUpLead(**args))
    assert wire.seen == []
