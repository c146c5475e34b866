"""Contacts: no second one, no tag lost, nothing overwritten by less, no DND lifted."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from guardrails.errors import BadInput, Refused, VendorUnavailable
from servers.ghl import contract_writes as writes
from servers.ghl.compare import changes
from servers.ghl.contract_reads import ListWorkflows, PlanContact
from servers.sandbox.behaviour import Behaviour
from tests.servers.ghl.writing import Studio

pytestmark = pytest.mark.anyio
EMAIL = "ana@firm.example"
Fields = writes.ContactFields


def upsert(key: str = "contact:1", email: str = EMAIL, **fields: Any) -> writes.UpsertContact:
    return writes.UpsertContact(key=key, permit="", email=email, fields=Fields(**fields))


def count(studio: Studio, email: str) -> int:
    return sum(held.get("email") == email for held in studio.records.contacts.values())


async def test_a_new_contact_is_made_with_what_is_known_and_nothing_else(studio: Studio) -> None:
    result = await studio.do(upsert(first_name="Ana", time_zone="America/Chicago"))
    assert result.status == "sent"
    assert result.vendor_ref == studio.contact(EMAIL)["id"]
    assert studio.wire.body() == {
        "locationId": "sandboxLocation00001",
        "email": EMAIL,
        "firstName": "Ana",
        "timezone": "America/Chicago",
    }


async def test_an_upsert_touches_neither_tags_nor_dnd_nor_fields_it_does_not_name(
    studio: Studio,
) -> None:
    studio.new_contact(
        EMAIL,
        tags=["vip", "newsletter"],
        lastName="Lund",
        dndSettings={"SMS": {"status": "active"}},
    )
    await studio.do(upsert(first_name="Ana"))
    held = studio.contact(EMAIL)
    assert held["tags"] == ["vip", "newsletter"]
    assert (held["firstName"], held["lastName"]) == ("Ana", "Lund")
    assert held["dndSettings"] == {"SMS": {"status": "active"}}


async def test_an_upsert_while_the_search_lags_makes_no_second_contact(studio: Studio) -> None:
    studio.app.site.behaviour = Behaviour(ghl_search_lag_s=600, ghl_duplicates_allowed=True)
    await studio.do(upsert("contact:1", first_name="Ana"))
    again = await studio.do(upsert("contact:2", first_name="Ana", city="Oslo"))
    assert again.vendor_ref == studio.contact(EMAIL)["id"]
    assert count(studio, EMAIL) == 1


async def test_many_at_once_for_one_new_address_make_one_contact(studio: Studio) -> None:
    studio.app.site.behaviour = Behaviour(ghl_search_lag_s=600)
    asked = [upsert(f"contact:{at}", first_name="Ana") for at in range(12)]
    results = await asyncio.gather(*(studio.do(one) for one in asked))
    assert {result.vendor_ref for result in results} == {studio.contact(EMAIL)["id"]}
    assert count(studio, EMAIL) == 1


async def test_what_is_so_already_is_not_written(studio: Studio) -> None:
    own = studio.new_contact(EMAIL, firstName="Ana", companyName="Firm")
    result = await studio.do(upsert(first_name="ana ", company="FIRM"))
    assert (result.status, result.vendor_ref) == ("already", own)
    assert studio.wire.written == []


async def test_the_plan_names_what_adds_and_keeps_what_is_richer(studio: Studio) -> None:
    own = studio.new_contact(
        EMAIL,
        firstName="Ana",
        companyName="Firm Creative Group",
        city="",
        website="https://www.firm.example/",
        source="referral",
        tags=["vip"],
        dndSettings={"SMS": {"status": "active"}, "Call": {"status": "inactive"}},
    )
    known = Fields(
        first_name="ANA", last_name="Lund", company="Firm", city="Oslo", website="firm.example",
        source="AI swarm",
    )  # fmt: skip
    plan = await studio.tools.contacts.plan_contact(PlanContact(email=EMAIL, fields=known))
    assert plan.contact_id == own
    assert plan.changes.stated() == {
        "last_name": "Lund", "city": "Oslo",
    }  # fmt: skip
    assert plan.kept == ("company", "source")
    assert (plan.tags, plan.dnd) == (("vip",), {"SMS": "active"})
    args = writes.UpsertContact(key="contact:1", permit="", email=EMAIL, fields=plan.changes)
    assert (await studio.do(args)).status == "sent"
    after = await studio.tools.contacts.plan_contact(PlanContact(email=EMAIL, fields=known))
    assert after.changes.stated() == {}


async def test_a_poorer_value_is_refused_and_the_claim_given_back(studio: Studio) -> None:
    studio.new_contact(EMAIL, companyName="Firm Creative Group")
    with pytest.raises(BadInput, match="company") as told:
        await studio.do(upsert(company="Firm"))
    assert "plan_contact" in told.value.remedy
    assert studio.wire.written == []
    assert studio.office.status("contact:1") == "pending"


def test_an_empty_value_cannot_even_be_said() -> None:
    for blank in ("", "  ", "a\nb"):
        with pytest.raises(ValueError, match="city"):
            Fields(city=blank)


@pytest.mark.parametrize(
    ("name", "given", "held", "adds"),
    [
        ("city", "Oslo", None, True),
        ("city", "Oslo", " ", True),
        ("city", "Oslo", "oslo", False),
        ("city", "Oslo", "Bergen", True),
        ("company", "Firm", "Firm AS", False),
        ("company", "Firm AS", "Firm", True),
        ("phone", "+1 (888) 555-0100", "18885550100", False),
        ("website", "firm.example", "https://www.Firm.example/", False),
        ("source", "AI swarm", "referral", False),
    ],
)
def test_what_adds_to_what(name: str, given: str, held: str | None, adds: bool) -> None:
    before = {} if held is None else {name: held}
    assert (changes({name: given}, before) == {name: given}) is adds


async def test_a_number_that_is_somebody_elses_is_refused(studio: Studio) -> None:
    studio.new_contact("ben@firm.example", phone="+18885550100")
    with pytest.raises(Refused, match="phone number"):
        await studio.do(upsert(first_name="Ana", phone="+18885550100"))
    assert studio.wire.written == []
    assert studio.contact("ben@firm.example")["firstName"] == ""


async def test_an_address_that_is_not_the_contacts_main_one_is_left_to_a_person(
    studio: Studio,
) -> None:
    own = studio.new_contact("main@firm.example")
    studio.records.by_email[EMAIL] = own  # its additional address
    with pytest.raises(Refused, match="main address"):
        await studio.do(upsert(first_name="Ana"))
    plan = await studio.tools.contacts.plan_contact(
        PlanContact(email=EMAIL, fields=Fields(first_name="Ana"))
    )
    assert (plan.contact_id, plan.changes.stated()) == (own, {})


async def test_a_look_up_that_fails_before_a_write_gives_the_claim_back(studio: Studio) -> None:
    studio.wire.blind = True
    with pytest.raises(VendorUnavailable):
        await studio.do(upsert(first_name="Ana"))
    row = studio.office.row("contact:1")
    assert row is not None
    assert (row.status.value, row.note) == ("pending", "not sent: vendor_unavailable")
    assert studio.wire.written == []


async def test_a_contact_that_hides_its_tags_is_an_error(studio: Studio) -> None:
    own = studio.new_contact(EMAIL)
    studio.app.site.behaviour.renames = {"ghl": {"tags": "labels"}}
    with pytest.raises(Exception, match="tags"):
        await studio.do(writes.AddTags(key="t:1", permit="", contact_id=own, tags=("x",)))
    assert studio.wire.written == []


async def test_workflows_come_page_by_page(studio: Studio) -> None:
    list_workflows = studio.tools.contacts.list_workflows
    first = await list_workflows(ListWorkflows(limit=1))
    second = await list_workflows(ListWorkflows(limit=1, cursor=first.next_cursor))
    assert [w.name for w in (*first.workflows, *second.workflows)] == ["Nurture", "Re-engage"]
    assert second.next_cursor is None
    with pytest.raises(BadInput, match="cursor"):
        await list_workflows(ListWorkflows(cursor="one that is gone"))


async def test_lists_are_kept_for_a_while(studio: Studio) -> None:
    for _ in range(3):
        listed = await studio.tools.contacts.list_workflows(ListWorkflows())
        await studio.tools.opportunities.list_pipelines(None)
    assert [w.name for w in listed.workflows] == ["Nurture", "Re-engage"]
    asked = [httpx.URL(request.url).path for request in studio.wire.seen]
    assert asked == ["/ghl/workflows/", "/ghl/opportunities/pipelines"]
