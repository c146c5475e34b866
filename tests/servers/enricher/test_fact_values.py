"""Values: what is unknown stays unknown, and outside text is cut to what can be seen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.model import FactName
from servers.enricher.facts import FACT_NAMES
from servers.enricher.values import MAX_TEXT, clean_text, fact_value


@pytest.mark.parametrize("name", sorted(FACT_NAMES))
@pytest.mark.parametrize(
    "nothing", ["", "  ", "N/A", "n/a", "Unknown", "null", "-", "None", None, [], {}, "not found"]
)
def test_a_placeholder_is_unknown_whatever_the_fact(name: FactName, nothing: Any) -> None:
    assert fact_value(name, nothing) is None


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("employee_count", 120, 120),
        ("employee_count", "1,240", 1240),
        ("employee_count", 85.0, 85),
        ("employee_count", 0, None),
        ("employee_count", "0", None),
        ("employee_count", -5, None),
        ("employee_count", True, None),
        ("employee_count", "51-200", None),
        ("employee_count", "1000+", None),
        ("employee_count", "about 40", None),
        ("employee_count", "9" * 5_000, None),
        ("employee_count", "1" + ",000" * 5_000, None),
        ("employee_count", 12.5, None),
        ("employee_count", float("nan"), None),
        ("employee_count", 10**12, None),
        ("country", "United States", "US"),
        ("country", "us", "US"),
        ("country", "Germany", "DE"),
        ("country", "UK", "GB"),
        ("country", "Atlantis", None),
        ("country", "XX", None),
        ("timezone", "America/Chicago", "America/Chicago"),
        ("timezone", "Mars/Base", None),
        ("timezone", "CST", None),
        ("email", "Ana@Firm.example", "ana@firm.example"),
        ("email", "0cc175b9c0f1b6a831c399e269772661", None),
        ("linkedin_url", "linkedin.com/in/ana", "https://linkedin.com/in/ana"),
        ("linkedin_url", "https://www.linkedin.com/in/ana", "https://www.linkedin.com/in/ana"),
        ("linkedin_url", "https://linkedin.com.evil.example/in/ana", None),
        ("linkedin_url", "javascript:alert(1)//linkedin.com", None),
        ("parent_domain", "https://www.Group.example/about", "group.example"),
        ("parent_domain", "www.com", "www.com"),
        ("parent_domain", "Group Holdings", None),
        ("technologies", "HubSpot, Slack,, HubSpot", ("HubSpot", "Slack")),
        ("technologies", ["HubSpot", "N/A", 7, None], ("HubSpot",)),
        ("technologies", {"a": 1}, None),
        ("ownership", "Privately Held", "private"),
        ("ownership", "Nonprofit", "nonprofit"),
        ("ownership", "cooperative", None),
        ("email_status", "accept_all", "catch_all"),
        ("email_status", "Deliverable", "valid"),
        ("email_status", "maybe", None),
        ("mx", False, False),
        ("mx", "yes", None),
        ("title", "Chief\u202e Executive\u200b\n Officer\x07", "Chief Executive Officer"),
    ],
)
def test_each_fact_has_one_form(name: FactName, raw: Any, value: Any) -> None:
    assert fact_value(name, raw) == value


@given(st.sampled_from(sorted(FACT_NAMES)), st.one_of(st.text(), st.integers(), st.floats()))
def test_no_text_or_number_crashes_it_or_grows(name: FactName, raw: Any) -> None:
    value = fact_value(name, raw)
    if isinstance(value, str):
        assert len(value) <= 310
        assert value.isprintable()


def test_long_text_is_cut() -> None:
    assert len(clean_text("word " * 200) or "") <= MAX_TEXT
