"""A field that GHL renamed or emptied is drift, or tells nothing: never a cleaner view (P6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from guardrails.errors import VendorSchemaDrift
from guardrails.model import CrmView
from servers.ghl.contract import LookUpLead
from servers.ghl.service import CrmRules, CustomerMarks, GhlService
from servers.ghl.vendor import OPERATIONS, GhlCrm
from servers.sandbox.host import Sandbox
from tests.servers.wires import ScriptedWire, answer, client_over, sandbox, twin_client

pytestmark = pytest.mark.anyio
VERSION = "2021-07-28"
RULES = CrmRules(CustomerMarks(("customer",), ("customer",)), ("bounced",), frozenset())
SAID = ("dnd", "dndSettings", "tags", "type", "email")
EMAIL = "ana@firm.example"
HIT = {"id": "c1", "email": EMAIL, "additionalEmails": [], "dnd": False, "dndSettings": {}}
HIT |= {"tags": [], "type": "lead", "website": None, "inboundDndSettings": {}}


@pytest.fixture(scope="module")
def twins() -> Sandbox:
    return sandbox()


@pytest.fixture(autouse=True)
def as_documented(twins: Sandbox) -> Iterator[None]:
    yield
    twins.site.behaviour.renames = {}
    twins.site.behaviour.retypes = {}


async def on_twin(twins: Sandbox, email: str | None, *domains: str) -> CrmView:
    crm = GhlCrm(twin_client(twins, "ghl", OPERATIONS), "sandboxLocation00001", VERSION)
    found = await GhlService(crm, RULES).look_up_lead(LookUpLead(email=email, domains=domains))
    return found.crm


async def scripted(hit: dict[str, Any], read: dict[str, Any], *domains: str) -> CrmView:
    def reply(request: httpx.Request) -> httpx.Response:
        single = request.method == "GET"
        return answer(200, {"contact": read} if single else {"contacts": [hit], "total": 1})

    crm = GhlCrm(client_over(ScriptedWire(reply), OPERATIONS), "loc1", VERSION)
    asked = LookUpLead(email=None if domains else EMAIL, domains=domains)
    return (await GhlService(crm, RULES).look_up_lead(asked)).crm


def known(twins: Sandbox) -> dict[str, str]:
    """One address of each kind that must not be written to."""
    held = twins.site.world.contacts
    return {
        "all": next(c.email for c in held if c.dnd),
        "e-mail": next(c.email for c in held if c.dnd_email and not c.dnd),
        "bounced": next(c.email for c in held if c.bounced),
        "customer": next(c.email for c in held if c.kind == "customer"),
    }


@pytest.mark.parametrize("field", SAID)
@pytest.mark.parametrize("kind", ["all", "e-mail", "bounced", "customer"])
async def test_a_renamed_safety_field_is_drift(twins: Sandbox, kind: str, field: str) -> None:
    email = known(twins)[kind]
    told = await on_twin(twins, email)
    assert told.dnd_email or told.bounced or told.is_customer
    twins.site.behaviour.renames = {"ghl": {field: "zzz"}}
    with pytest.raises(VendorSchemaDrift):
        await on_twin(twins, email)


@pytest.mark.parametrize("field", ["tags", "type", "email"])
async def test_a_customers_renamed_mark_is_drift(twins: Sandbox, field: str) -> None:
    domain = known(twins)["customer"].rpartition("@")[2]
    assert (await on_twin(twins, None, domain)).customer_domain == domain
    twins.site.behaviour.renames = {"ghl": {field: "zzz"}}
    with pytest.raises(VendorSchemaDrift):
        await on_twin(twins, None, domain)


@pytest.mark.parametrize("change", ["renames", "retypes"])
async def test_no_changed_field_at_all_gives_a_cleaner_view(twins: Sandbox, change: str) -> None:
    # `lastActivity` is not among them: the vendor omits it for whoever was never active.
    record = next(c for c in twins.site.world.contacts if c.dnd_email)
    names = {"contacts", "contact", "Email", "status", "total", *HIT, "inboundDndSettings"}
    for email in (*known(twins).values(), record.email):
        domain = email.rpartition("@")[2]
        before = await on_twin(twins, email, domain)
        for name in sorted(names):
            to = "zzz" if change == "renames" else "null"
            setattr(twins.site.behaviour, change, {"ghl": {name: to}})
            try:
                assert await on_twin(twins, email, domain) == before, name
            except VendorSchemaDrift:
                continue
        setattr(twins.site.behaviour, change, {})


@pytest.mark.parametrize("field", ["dnd", "dndSettings", "tags", "type"])
async def test_what_the_single_read_leaves_out_is_told_by_the_hit(field: str) -> None:
    read = {name: value for name, value in HIT.items() if name != field}
    assert await scripted(HIT, read) == CrmView(contact_id="c1")
    blocked = HIT | {"dnd": True, "dndSettings": {"Email": {"status": "active"}}}
    assert (await scripted(blocked | {"tags": ["bounced"], "type": "customer"}, read)) != CrmView(
        contact_id="c1"
    )
    with pytest.raises(VendorSchemaDrift, match=field):
        await scripted(read, read)


async def test_the_single_read_overrules_the_older_hit() -> None:
    assert (await scripted(HIT, HIT | {"dnd": True})).dnd_email
    assert not (await scripted(HIT | {"dnd": True}, HIT)).dnd_email


@pytest.mark.parametrize(
    "changed",
    [
        {"dndSettings": {"email": {"status": "active"}, "call": {"status": "active"}}},  # v3's
        {"dndSettings": {"Email": {"state": "active"}}},
        {"dndSettings": {"Email": None}},
        {"dndSettings": None},
        {"inboundDndSettings": {"everything": {"status": "active"}}},
        {"dnd": None},
        {"tags": None},
        {"type": None},
    ],
)
async def test_a_setting_in_another_form_is_drift(changed: dict[str, Any]) -> None:
    with pytest.raises(VendorSchemaDrift):
        await scripted(HIT, HIT | changed)


async def test_other_channels_alone_are_no_drift() -> None:
    settings = {"SMS": {"status": "active"}, "RCS": {"status": "inactive"}}
    assert not (await scripted(HIT, HIT | {"dndSettings": settings})).dnd_email


@pytest.mark.parametrize(
    "changed",
    [
        {"email": None},
        {"email": "other@firm.example", "additionalEmails": None},
        {"email": "other@firm.example", "additionalEmails": [{"address": EMAIL}]},
        {"email": "other@firm.example", "additionalEmails": [{"email": None}]},
    ],
)
async def test_a_hit_that_hides_its_address_is_drift(changed: dict[str, Any]) -> None:
    with pytest.raises(VendorSchemaDrift):
        await scripted(HIT | changed, HIT)


async def test_a_customer_elsewhere_that_hides_its_website_is_drift() -> None:
    hit = HIT | {"email": "x@gone.example", "type": "customer", "website": "https://firm.example"}
    assert (await scripted(hit, hit, "firm.example")).customer_domain == "firm.example"
    with pytest.raises(VendorSchemaDrift):
        await scripted({k: v for k, v in hit.items() if k != "website"}, hit, "firm.example")
    with pytest.raises(VendorSchemaDrift):
        await scripted(hit | {"email": None, "website": None}, hit, "firm.example")
