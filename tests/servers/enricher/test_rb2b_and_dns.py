"""RB2B profiles, and whether a domain takes mail."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from dns.exception import Timeout
from dns.resolver import NXDOMAIN, NoAnswer, NoNameservers

from guardrails.errors import VendorError
from guardrails.model import Lead
from servers.enricher.dns import DnsMail
from servers.enricher.facts import FactMaker
from servers.enricher.mail import SandboxMail
from servers.enricher.vendor_rb2b import OPERATIONS, Rb2b, linkedin_slug
from tests.conftest import SteppableClock
from tests.servers.enricher.brakes import NoEntry, stopped
from tests.servers.wires import (
    ScriptedWire,
    answer,
    client_over,
    safety_with,
    sandbox,
    twin_client,
)

__all__ = ["stopped"]  # a fixture

pytestmark = pytest.mark.anyio
LEAD = Lead(lead_id="L-1", dedupe_key="k", email="ana@firm.example")


def rb2b(wire: httpx.AsyncBaseTransport, clock: SteppableClock) -> Rb2b:
    client = client_over(wire, OPERATIONS, vendor="rb2b")
    return Rb2b(client, 20_000, FactMaker(clock, {}, 30))


async def test_a_profile_by_address(clock: SteppableClock) -> None:
    profile = {
        "title": "CEO", "current_industry": "Law Practice", "company_employee_count": "140",
        "country": "United States", "company_revenue_range": "1M-10M", "link_email": "0cc175b9",
    }  # fmt: skip
    wire = ScriptedWire(answer(200, {"result": profile}))
    got = await rb2b(wire, clock).look_up(LEAD, "s")
    assert {name: fact.value for name, fact in got.facts.items()} == {
        "title": "CEO", "industry": "Law Practice", "employee_count": 140, "country": "US",
    }  # fmt: skip
    assert (got.status, got.cost_micros) == ("ok", 20_000)
    assert wire.bodies() == [{"email": "ana@firm.example"}]


async def test_a_profile_by_linkedin_when_there_is_no_address(clock: SteppableClock) -> None:
    wire = ScriptedWire(answer(200, {"result": {"title": "CEO", "company": {"industry": "Law"}}}))
    lead = LEAD.model_copy(
        update={"email": None, "linkedin_url": "https://www.linkedin.com/in/ana-b/"}
    )
    got = await rb2b(wire, clock).look_up(lead, "s")
    assert wire.bodies() == [{"linkedin_slug": "ana-b"}]
    assert got.facts["industry"].value == "Law"


@pytest.mark.parametrize(
    ("reply", "status", "cost"),
    [
        (answer(404, {"error": "not_found"}), "no_match", 20_000),  # nothing says it is free
        (answer(200, {"result": {}}), "no_match", 20_000),
        (answer(200, {"result": None}), "no_match", 20_000),
        (answer(402, {"error": "insufficient_credits"}), "out_of_credits", 0),
        (answer(401, {"error": "invalid_api_key"}), "failed", 0),
        (answer(503), "failed", 20_000),  # it may have been billed
        (httpx.ReadTimeout("slow"), "failed", 20_000),
        (answer(200, {"result": ["odd"]}), "failed", 20_000),
        (httpx.Response(200, text="<html>"), "failed", 20_000),
    ],
)
async def test_what_each_answer_means(
    clock: SteppableClock, reply: Any, status: str, cost: int
) -> None:
    wire = ScriptedWire(reply)
    got = await rb2b(wire, clock).look_up(LEAD, "s")
    assert (got.status, got.cost_micros, len(wire.seen)) == (status, cost, 1)


async def test_a_look_up_that_our_own_brakes_stop_says_so_and_costs_nothing(
    clock: SteppableClock, stopped: tuple[VendorError, str]
) -> None:
    error, status = stopped
    wire = ScriptedWire(answer())
    client = client_over(wire, OPERATIONS, vendor="rb2b", safety=safety_with(NoEntry(error)))
    got = await Rb2b(client, 20_000, FactMaker(clock, {}, 30)).look_up(LEAD, "s")
    assert (got.status, got.cost_micros, got.detail) == (status, 0, error.message)
    assert (wire.seen, got.unanswered) == ([], True)


async def test_without_key_or_anything_to_ask_for_nobody_is_asked(clock: SteppableClock) -> None:
    assert Rb2b(None, 0, FactMaker(clock, {}, 30)).unusable == "RB2B_API_KEY is not set"
    wire = ScriptedWire(answer())
    got = await rb2b(wire, clock).look_up(LEAD.model_copy(update={"email": None}), "s")
    assert (got.status, wire.seen) == ("skipped", [])


async def test_over_the_twin_a_person_is_found_by_address(clock: SteppableClock) -> None:
    app = sandbox()
    source = Rb2b(twin_client(app, "rb2b", OPERATIONS), 20_000, FactMaker(clock, {}, 30))
    known = next(p for c in app.site.world.generated if c.place.country == "US"
                 for p in [app.site.world.person(app.site.world.address_at(c, 0).email)]
                 if p and p.rb2b == "full" and c.employees)  # fmt: skip
    got = await source.look_up(LEAD.model_copy(update={"email": known.email}), "s")
    assert {"industry", "country", "employee_count"} <= set(got.facts)


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("https://www.linkedin.com/in/ana-b/", "ana-b"),
        ("https://linkedin.com/company/firm", None),
        (None, None),
        ("", None),
    ],
)
def test_the_slug_of_a_profile(url: str | None, slug: str | None) -> None:
    assert linkedin_slug(url) == slug


class Mx:
    """An MX record as dnspython shows it."""

    def __init__(self, exchange: str) -> None:
        self.exchange = exchange


class FakeResolver:
    """Answers by record type: a list of records, or an error to raise."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    async def resolve(self, qname: str, rdtype: str) -> Any:
        found = self.answers.get(rdtype, NoAnswer())
        if isinstance(found, Exception):
            raise found
        if found is None:
            await asyncio.Event().wait()
        return found


@pytest.mark.parametrize(
    ("answers", "accepts"),
    [
        ({"MX": [Mx("mx.firm.com.")]}, True),
        ({"MX": [Mx(".")]}, False),
        ({"MX": NXDOMAIN()}, False),
        ({"A": ["192.0.2.1"]}, True),
        ({"AAAA": ["2001:db8::1"]}, True),
        ({}, False),
        ({"MX": Timeout()}, None),
        ({"MX": NoNameservers()}, None),
        ({"A": Timeout()}, None),
        ({"MX": OSError()}, None),
        ({"MX": None}, None),
    ],
)
async def test_what_dns_says_about_mail(answers: dict[str, Any], accepts: bool | None) -> None:
    assert (
        await DnsMail(FakeResolver(**answers), timeout_s=0.02).accepts_mail("firm.com") is accepts
    )


async def test_reserved_domains_take_mail_in_the_sandbox_only() -> None:
    for domain in ("firm.example", "a.firm.test", "example.com"):
        assert await SandboxMail().accepts_mail(domain) is True
        assert await DnsMail(FakeResolver(MX=[Mx("mx.")])).accepts_mail(domain) is False
    assert await SandboxMail().accepts_mail("firm.com") is None
    assert await DnsMail(None).accepts_mail("firm.com") is None
