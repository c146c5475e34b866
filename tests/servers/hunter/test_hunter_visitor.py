"""RB2B's payload: title-case keys, odd time stamps, companies without people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servers.hunter.contract import ReadVisitor
from servers.hunter.rows import Rules
from servers.hunter.service import Hunter
from servers.hunter.visitor import read_payload

PAYLOAD: dict[str, Any] = {
    "LinkedIn URL": "https://www.linkedin.com/in/invented-ann/",
    "First Name": "Ann",
    "Last Name": "One",
    "Title": "CEO",
    "Company Name": "Firm",
    "Business Email": "Ann@Firm.example",
    "Website": "https://firm.example",
    "Industry": "Law Practice",
    "Employee Count": "51-200",
    "Estimate Revenue": "$1M - $10M",
    "City": "Austin",
    "State": "TX",
    "Zipcode": "73301",
    "Seen At": "2024-01-01T12:34:56:00.00+00.00",
    "Referrer": None,
    "Captured URL": "https://our.example/pricing",
    "Tags": "Hot Pages, Hot Leads",
}


@pytest.mark.anyio
async def test_a_full_payload_becomes_a_lead(hunter: Hunter) -> None:
    visitor = await hunter.read_visitor(ReadVisitor(payload=PAYLOAD))
    lead = visitor.lead
    assert lead is not None
    assert (lead.source, lead.email, lead.domain) == ("rb2b", "ann@firm.example", "firm.example")
    assert (lead.first_name, lead.title, lead.employee_count) == ("Ann", "CEO", 51)
    assert lead.seen_at == datetime(2024, 1, 1, 12, 34, 56, tzinfo=UTC)
    assert (lead.captured_url, lead.pages_seen) == ("https://our.example/pricing", 1)
    assert (lead.row, lead.opted_out, lead.consent) == (None, False, None)
    assert visitor.reasons == ()


@pytest.mark.parametrize(("count", "expected"), [(75, 75), ("75", 75), (75.0, 75), (None, None)])
def test_head_counts_come_as_numbers_or_text(
    rules: Rules, count: float | str | None, expected: int | None
) -> None:
    lead = read_payload(PAYLOAD | {"Employee Count": count}, rules).lead
    assert lead is not None
    assert lead.employee_count == expected


def test_one_visit_has_one_key_and_another_page_another(rules: Rules) -> None:
    first = read_payload(PAYLOAD, rules).dedupe_key
    assert first == read_payload(dict(PAYLOAD), rules).dedupe_key
    assert (
        first != read_payload(PAYLOAD | {"Captured URL": "https://our.example/"}, rules).dedupe_key
    )
    assert first != read_payload(PAYLOAD | {"Seen At": "2024-01-02T00:00:00Z"}, rules).dedupe_key


def test_a_company_without_a_person_is_no_lead(rules: Rules) -> None:
    nobody = dict.fromkeys(("LinkedIn URL", "First Name", "Last Name", "Business Email"))
    visitor = read_payload(PAYLOAD | nobody, rules)
    assert visitor.lead is None
    assert visitor.reasons[0].code == "company_only"
    assert visitor.dedupe_key.startswith("firm.example|")


def test_a_profile_without_an_address_is_a_lead(rules: Rules) -> None:
    lead = read_payload(PAYLOAD | {"Business Email": None}, rules).lead
    assert lead is not None
    assert (lead.email, lead.domain) == (None, "firm.example")


def test_a_bad_address_beside_a_profile_is_told(rules: Rules) -> None:
    visitor = read_payload(PAYLOAD | {"Business Email": "nonsense"}, rules)
    assert visitor.lead is not None
    assert visitor.reasons[0].code == "invalid_email"


def test_invented_visitors_are_refused_outside_the_sandbox(real_rules: Rules) -> None:
    without = PAYLOAD | {"Business Email": None}
    assert read_payload(without, real_rules).reasons[0].code == "reserved_domain"


def test_junk_is_no_lead_and_says_why(rules: Rules) -> None:
    visitor = read_payload({"hello": "world", "x": 1}, rules)
    assert (visitor.lead, visitor.reasons[0].code) == (None, "no_identity")


@given(
    payload=st.dictionaries(
        st.sampled_from(sorted(PAYLOAD)) | st.text(max_size=8),
        st.one_of(
            st.none(),
            st.text(max_size=30),
            st.integers(),
            st.floats(),
            st.booleans(),
            st.lists(st.text(max_size=5), max_size=3),
        ),
    )
)
@settings(max_examples=150, deadline=None)
def test_no_payload_raises(payload: dict[str, Any]) -> None:
    rules = Rules(salt=b"s" * 32, sandbox=True, free_mail=frozenset(), bands=())
    visitor = read_payload(payload, rules)
    assert visitor.lead is not None or visitor.reasons
