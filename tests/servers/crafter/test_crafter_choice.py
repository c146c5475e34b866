"""Which template is chosen, and that the choice is explained."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from guardrails.model import CrmView, Draft, Reason

ORDER = ("news", "hiring", "funding", "visitor", "tech_stack", "segment", "plain")


def everything(writer: Any) -> dict[str, Any]:
    return {
        "news": (writer.news(),),
        "facts": {
            "hiring": writer.fact(("Data Analyst",)),
            "funding": writer.fact("Series A, 12M USD"),
            "pages_seen": writer.fact(3),
            "technologies": writer.fact(("HubSpot",)),
        },
    }


def without(given: dict[str, Any], angles: tuple[str, ...]) -> dict[str, Any]:
    fact_of = {"visitor": "pages_seen", "tech_stack": "technologies"}
    gone = {fact_of.get(angle, angle) for angle in angles}
    return {
        "news": () if "news" in gone else given["news"],
        "facts": {name: fact for name, fact in given["facts"].items() if name not in gone},
    }


@pytest.mark.parametrize("place", range(len(ORDER) - 1))
def test_the_best_angle_with_evidence_is_chosen(writer: Any, place: int) -> None:
    given = without(everything(writer), ORDER[:place])
    draft = writer.write(**given).draft
    assert draft is not None
    assert draft.scope.angle == ORDER[place]
    assert draft.features["opener"] == ORDER[place]


def test_without_a_title_the_plain_template_is_used_whatever_else_is_known(writer: Any) -> None:
    draft = writer.write(writer.lead(title=None), **everything(writer)).draft
    assert draft is not None
    assert draft.template == "plain"


def test_without_title_and_company_the_plainest_template_names_nobody(writer: Any) -> None:
    draft = writer.write(writer.lead(title=None, company=None, first_name=None)).draft
    assert draft is not None
    assert draft.template == "plain_unnamed"
    assert draft.body.startswith("Hello,\n")
    assert {claim.fact for claim in draft.claims} == {"industry"}
    assert draft.features["claims"] == "none"
    assert draft.features["subject"] == "topic"


def test_every_template_passed_over_is_named_with_its_reason(writer: Any) -> None:
    drafted = writer.write(facts={"technologies": writer.fact(("HubSpot",))})
    assert drafted.draft is not None
    assert drafted.draft.dropped == drafted.reasons
    texts = [reason.text for reason in drafted.reasons]
    for template in ("news_leader", "hiring_leader", "funding", "visitor"):
        assert any(f"Template {template} passed over" in text for text in texts)


def test_a_step_without_a_template_gives_no_draft_and_says_so(writer: Any) -> None:
    drafted = writer.write(step=3)
    assert drafted.draft is None
    assert [reason.code for reason in drafted.reasons] == ["no_template"]


@pytest.mark.parametrize(
    ("contact", "contacted", "channel"),
    [("c-1", True, "crm_email"), ("c-1", False, "cold_email"), (None, True, "cold_email")],
)
def test_only_a_contact_the_crm_has_written_to_before_gets_a_crm_email(
    writer: Any, contact: str | None, contacted: bool, channel: str
) -> None:
    before = writer.now - timedelta(days=200) if contacted else None
    draft = writer.write(crm=CrmView(contact_id=contact, last_contacted_at=before)).draft
    assert draft is not None
    assert draft.scope.channel == channel


def test_the_same_lead_gets_the_same_email_and_other_leads_get_variants(writer: Any) -> None:
    def body(lead_id: str) -> str:
        draft: Draft | None = writer.write(writer.lead(lead_id=lead_id)).draft
        assert draft is not None
        return draft.body

    ids = [f"L-{number:020x}" for number in range(12)]
    assert [body(one) for one in ids] == [body(one) for one in ids]
    assert len({body(one) for one in ids}) > 1


def test_a_draft_has_no_links_and_never_the_recipient(writer: Any) -> None:
    draft = writer.write(**everything(writer)).draft
    assert draft is not None
    assert draft.links == ()
    assert "ana@brightwater.example" not in draft.model_dump_json()
    assert "://" not in draft.body


def test_a_rule_that_a_template_would_break_passes_it_over(writer: Any) -> None:
    # The headline carries a spam word: harmless as news, not sendable as text.
    drafted = writer.write(news=(writer.news("Brightwater Digital: act now on climate"),))
    assert drafted.draft is not None
    assert drafted.draft.scope.angle != "news"
    assert "content_spam_word" in {reason.code for reason in drafted.reasons}


def test_a_company_named_like_a_spam_word_is_left_unnamed(writer: Any) -> None:
    drafted = writer.write(writer.lead(company="Free Range Studio", title=None))
    assert drafted.draft is not None
    assert drafted.draft.template == "plain_unnamed"
    assert "Free Range" not in drafted.draft.body


def test_a_sender_without_an_address_writes_nothing(config: Any, writer: Any) -> None:
    from servers.crafter.compose import compose
    from servers.crafter.settings import SANDBOX_SENDER

    nowhere = SANDBOX_SENDER.model_copy(update={"postal_address": ""})
    mute = compose(config, nowhere, lambda: writer.now, sandbox=True)
    drafted = type(writer)(mute, config).write()
    assert drafted.draft is None
    assert {reason.code for reason in drafted.reasons} >= {"content_no_postal_address"}
    assert all(isinstance(reason, Reason) for reason in drafted.reasons)
