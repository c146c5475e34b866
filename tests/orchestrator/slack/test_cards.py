"""A card says what a person needs, always fits, and nothing on it does anything by itself."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guardrails.approval_model import Approval, ApprovalState
from guardrails.approvers import Approver, ApproverList
from guardrails.model import BankCitation, Check, GoldenMatch, Verdict
from orchestrator.approvals.case import ApprovalCase
from orchestrator.slack import cards, modals
from orchestrator.slack.cards import Cards, plainly, read_value
from orchestrator.slack.words import escaped, one_line, pieces, safe, visible
from servers.sandbox import twin_slack_rules as rules
from tests.decision_samples import ANSWER, CLAIMS, DOSSIER, DRAFT, QUALIFICATION

AT = datetime(2026, 3, 10, 14, 0, tzinfo=UTC)
ADA = Approver("U-ada", "Ada <!here>", "U0ADA00", "approver")
CARDS = Cards(ApproverList([ADA]), "https://console.example/")
APPROVAL = Approval(
    approval_id=f"AP-{'0' * 20}", decision_audit_id="A-1", lead_id="L-1", run_id="run-1", row=1,
    state=ApprovalState.WAITING, verdict=Verdict.PASS, segment="agency", first_of_segment=False,
    tier=1, content_hash="a" * 64, author=None, supersedes=None, requested_at=AT, due_at=AT,
    expires_at=AT, reminded_at=None, escalated_at=None, ended_at=None, ended_by=None,
    ended_via=None, reason_code=None, reason_text=None, audit_id=None,
)  # fmt: skip
CASE = ApprovalCase(
    approval=APPROVAL, to="ana.reyes@northwind.example", dossier=DOSSIER, draft=DRAFT,
    qualification=QUALIFICATION, bank=ANSWER, checks=(), would_send_at=AT,
    local_send_time=AT.astimezone(ZoneInfo("America/New_York")), cost_micros=120_000,
    policy_version="policy-1", sandbox=False,
)  # fmt: skip
REVIEW = Check(rule="role", verdict=Verdict.REVIEW, code="role_account", text="A role account.")
CITED = BankCitation(
    item_id="i-1", kind="learned_failure", title="Agencies do not like this", level="angle",
    effect="cite", k=1, n=2, prior="", posterior="", probability=0.4, threshold=0.5,
    trust="human", reason="A person rejected it for its tone.", would_pass_if="",
)  # fmt: skip


def shows(message: Any) -> str:
    """Every text on a card."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("text"), str):
                found.append(value["text"])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list | tuple):
            for inner in value:
                walk(inner)

    walk(message.blocks)
    return "\n".join(found)


def buttons(message: Any) -> list[str]:
    rows = [block["elements"] for block in message.blocks if block["type"] == "actions"]
    return [element["action_id"] for row in rows for element in row]


def changed(case: ApprovalCase = CASE, **fields: Any) -> ApprovalCase:
    """The case with other fields, of itself, its approval, lead or draft."""
    of_approval = {k: fields.pop(k) for k in list(fields) if k in Approval.__dataclass_fields__}
    lead = {k: fields.pop(k) for k in list(fields) if k in type(DOSSIER.lead).model_fields}
    draft = {k: fields.pop(k) for k in list(fields) if k in type(DRAFT).model_fields}
    return replace(
        case,
        approval=replace(case.approval, **of_approval),
        dossier=DOSSIER.model_copy(update={"lead": DOSSIER.lead.model_copy(update=lead)}),
        draft=case.draft.model_copy(update=draft),
        **fields,
    )


def test_it_shows_what_a_person_needs_to_decide() -> None:
    bank = ANSWER.model_copy(
        update={
            "citations": (CITED,),
            "golden": GoldenMatch(matched=True, title="Hiring opener", similarity=0.6),
        }
    )
    passed = REVIEW.model_copy(update={"verdict": Verdict.PASS})
    message = CARDS.message(changed(bank=bank, checks=(REVIEW, passed), first_of_segment=True))
    text = shows(message)
    for part in (
        "Look closely: e-mail to approve", "*Ana Reyes*", "ana.reyes@northwind.example",
        "Tue 10 Mar, 10:00 their time\nAmerica/New York", "82 of 100, tier 1", "$0.12 spent",
        "Tue 10 Mar, 14:00 UTC>, else it is not sent", "• A role account.",
        "• The first of its segment (agency).", "Hiring at Northwind Studio, and AI",
        DRAFT.body.rstrip(), "“a Data Analyst”: hiring = Data Analyst; Automation Lead",
        "<https://northwind.example/jobs|northwind.example>", "No pattern of failure.",
        "Agencies do not like this: A person rejected it for its tone. ",
        "(1 of 2 failed, for your information)",
        "like “Hiring opener” (60%)", "1 checks passed, 1 to look at (role_account)",
        "From Robin Hale", APPROVAL.approval_id,
    ):  # fmt: skip
        assert part in text, part
    assert buttons(message) == [cards.APPROVE, cards.EDIT, cards.REJECT, cards.CONSOLE]
    assert text.index("A role account") < text.index("The first of its segment")
    assert rules.offences(message.blocks) == []


def test_buttons_carry_the_id_and_the_hash_alone() -> None:
    (row,) = [b for b in CARDS.message(CASE).blocks if b["type"] == "actions"]
    values = {element.get("value") for element in row["elements"]}
    assert values == {f"{APPROVAL.approval_id}.{'a' * 64}", None}
    assert read_value(f"{APPROVAL.approval_id}.{'a' * 64}") == (APPROVAL.approval_id, "a" * 64)
    for wrong in ("", None, 3, "AP-1", f"{APPROVAL.approval_id}.{'a' * 64}x", f"x.{'a' * 64}"):
        assert read_value(wrong) is None


@pytest.mark.parametrize(
    ("state", "fields", "said"),
    [
        ("approved", {}, "*Approved* by Ada &lt;!here&gt;, <!date"),
        ("rejected", {"reason_code": "tone", "reason_text": "Too\nclose"}, "tone: Too close"),
        ("expired", {"ended_by": "swarm", "ended_via": "swarm"}, "*Expired*, <!date"),
        ("superseded", {"ended_by": "swarm"}, "*Edited*"),
        ("withdrawn", {"ended_by": "swarm", "reason_code": "opted_out"}, "opted_out"),
        ("approved", {"ended_via": "cli"}, "(cli)"),
        ("approved", {"ended_by": "U-gone"}, "*Approved*, <!date"),
    ],
)
def test_after_the_end_it_says_who_what_and_when_and_has_no_buttons(
    state: str, fields: dict[str, Any], said: str
) -> None:
    about = {"state": ApprovalState(state), "ended_by": "U-ada", "ended_via": "slack"}
    message = CARDS.message(changed(**{**about, "ended_at": AT, **fields}))
    assert said in shows(message)
    assert buttons(message) == []
    assert rules.offences(message.blocks) == []
    if state in ("expired", "rejected", "withdrawn"):
        assert "not sent" in message.text


def test_the_writer_is_named() -> None:
    assert "Ada &lt;!here&gt; wrote this text: somebody else" in shows(
        CARDS.message(changed(author="U-ada"))
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"body": "word " * 1300}, {"subject": "a" * 301}, {"body": " \n"}, {"subject": ""},
        {"to": "a" * 200 + "@northwind.example"},
    ],
)  # fmt: skip
def test_what_cannot_be_shown_whole_cannot_be_approved_here(fields: dict[str, Any]) -> None:
    message = CARDS.message(changed(**fields))
    assert buttons(message) == [cards.REJECT, cards.CONSOLE]
    assert f"swarm approvals show {APPROVAL.approval_id}" in shows(message)
    assert rules.offences(message.blocks) == []


HOSTILE = "<!channel> <@U0ADA00> <https://evil.example|Approve> &amp; `x` \u202egnp.exe\u200b\x00"


def test_a_hostile_lead_calls_nobody_links_nowhere_and_hides_nothing() -> None:
    claim = CLAIMS[0].model_copy(
        update={"text": HOSTILE, "evidence": HOSTILE, "url": "https://e.example/|x>\n<!here>"}
    )
    check = REVIEW.model_copy(update={"text": HOSTILE, "code": HOSTILE})
    bank = ANSWER.model_copy(
        update={
            "text": HOSTILE,
            "citations": (CITED.model_copy(update={"title": HOSTILE, "reason": HOSTILE}),),
            "golden": GoldenMatch(matched=True, title=HOSTILE),
        }
    )
    message = CARDS.message(
        changed(
            first_name=HOSTILE, last_name=HOSTILE, title=HOSTILE, company=HOSTILE, to=HOSTILE,
            segment=HOSTILE, subject=HOSTILE, body=HOSTILE, claims=(claim,), checks=(check,),
            bank=bank, first_of_segment=True,
        )
    )  # fmt: skip
    assert rules.offences(message.blocks) == []
    for text in [message.text, *marked_up(message.blocks)]:
        assert not re.findall(r"<(?!https?://|!date\^\d+\^)", text), text
        assert "<https://evil" not in text
    everything = message.text + shows(message)
    assert not re.search("[\u202e\u200b\x00]", everything)
    assert "[U+202E]gnp.exe[U+200B][U+0000]" in everything


def marked_up(value: Any) -> list[str]:
    """Every text that Slack reads as markup; each of ours says that nothing bare is linked."""
    if isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            assert value["verbatim"] is True
            return [value["text"]]
        return [text for inner in value.values() for text in marked_up(inner)]
    return [text for inner in value for text in marked_up(inner)] if isinstance(value, list) else []


TEXT = st.text(st.characters(exclude_categories=()), max_size=60) | st.sampled_from(
    ["<" * 400, "&" * 3000, "\n" * 500, "word " * 700, HOSTILE, "\ud800", "🙂" * 300]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    texts=st.lists(TEXT, min_size=12, max_size=12),
    count=st.integers(0, 40),
    state=st.sampled_from(list(ApprovalState)),
    bodies=st.integers(1, 12),
)
def test_any_draft_makes_a_card_that_slack_takes(
    texts: list[str], count: int, state: ApprovalState, bodies: int
) -> None:
    first, last, title, company, subject, body, claimed, reason, cited, code, words, to = texts
    claim = CLAIMS[0].model_copy(update={"text": claimed, "evidence": claimed, "url": cited})
    check = REVIEW.model_copy(update={"text": reason, "code": code})
    bank = ANSWER.model_copy(
        update={
            "text": cited,
            "citations": (CITED.model_copy(update={"title": cited, "reason": reason}),) * count,
        }
    )
    case = changed(
        first_name=first, last_name=last, title=title, company=company, to=to, subject=subject,
        body=body * bodies, claims=(claim,) * count, checks=(check,) * count, bank=bank,
        state=state, segment=company, reason_code=code, reason_text=words, ended_by="U-ada",
        ended_at=AT, author="U-ada", first_of_segment=True,
    )  # fmt: skip
    about = modals.About(APPROVAL.approval_id, "a" * 64, "C1", "1.1")
    for message in (CARDS.message(case), CARDS.without_record(case.approval), plainly("AP-1")):
        assert rules.offences(message.blocks) == []
        assert rules.characters(message.blocks) <= rules.MESSAGE_CHARACTERS
        assert 0 < len(message.text) <= 500
    assert rules.view_offences(modals.rejecting(about, words)) == []
    assert rules.view_offences(modals.answering(words or "x")) == []
    if modals.can_edit(case) and subject and body:
        assert rules.view_offences(modals.editing(case, about)) == []


@given(TEXT)
def test_text_is_kept_as_it_reads(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    assert "\r" not in shown
    assert len(one_line(text, 50)) <= 50
    assert len(safe(text, 50)) <= 50
    assert not re.search("[<>]", escaped(text))


@given(st.text(max_size=400), st.integers(1, 50))
def test_pieces_are_the_text(text: str, most: int) -> None:
    parts = pieces(text, most)
    assert "".join(parts) == text
    assert all(0 < len(part) <= most for part in parts)
