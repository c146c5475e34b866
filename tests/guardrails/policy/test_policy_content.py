"""What may be written."""

from __future__ import annotations

from typing import Any

import pytest

from guardrails.model import Verdict
from tests.decision_samples import ADDRESS, BODY, CLAIMS, SENDER, dossier, draft, fact, inputs, said

R, B = Verdict.REVIEW, Verdict.BLOCK
SHORT = f"Too short. No thanks, unsubscribe. {ADDRESS}"
NO_WAY_OUT = BODY.replace("If you would rather not hear from me", "Thanks").replace(
    "I won't write again", "bye"
)
DISGUISED = {"link_unreadable": B, "foreign_address": B}
OURS = {"sender_is_recipient": B}


def body(extra: str) -> dict[str, Any]:
    """The passing body with a sentence put into it."""
    return {"body": BODY.replace("We act as", f"{extra} We act as")}


CASES: list[tuple[dict[str, Any], dict[str, Verdict]]] = [
    ({"subject": "Nine char"}, {"subject_length": B}),
    ({"subject": "Ten chars!"}, {}),
    ({"subject": "x" * 60}, {}),
    ({"subject": "x" * 61}, {"subject_length": B}),
    ({"subject": "HIRING AT NORTHWIND"}, {"subject_caps": B}),
    ({"subject": "AI at NORTHWIND studio"}, {}),
    ({"subject": "Hiring! At Northwind!"}, {"subject_exclamations": B}),
    ({"subject": "Hiring at Northwind!"}, {}),
    ({"subject": "Re: our talk last week"}, {"fake_reply": B}),
    ({"subject": "FWD : the numbers"}, {"fake_reply": B}),
    ({"subject": "Re[2]: the numbers"}, {"fake_reply": B}),
    ({"subject": "Rethinking AI at Northwind"}, {}),
    ({"subject": "Reply.io or people?"}, {"competitor_in_subject": B, "bare_domain": R}),
    ({"subject": "Leaving Lemlist behind"}, {"competitor_in_subject": B}),
    ({"subject": "Hiring at\nNorthwind, Bcc"}, {"subject_control": B}),
    ({"subject": "Hiring at {Acme-Labs} now"}, {"subject_braces": B}),
    ({"subject": "Hiring at Acme} now"}, {"subject_braces": B}),
    (body("A\ttab."), {"hidden_characters": B}),
    (body("A\u2028line."), {"hidden_characters": B}),
    (body("A {brace-d} word."), {}),
    ({"body": SHORT, "claims": ()}, {"body_length": B, "not_specific": B}),
    ({"body": BODY + "word " * 300}, {"body_length": B}),
    # what stands behind so much room, or behind signs that unfold into so much, nobody has read
    ({"body": BODY + " " * 20_000 + "See https://evil.example."}, {"text_too_long": B}),
    ({"body": BODY + "\u3300" * 6_000 + " https://evil.example"}, {"text_too_long": B}),
    ({"subject": "Hiring at Northwind" + " " * 20_000 + "FREE"}, {"text_too_long": B}),
    (body("{{ first_name }}"), {"placeholder": B}),
    (body("Dear [First Name]"), {"placeholder": B}),
    (body("Dear <name>"), {"placeholder": B}),
    (body("You use None for it."), {"placeholder": B}),
    (body("You employ nan people."), {"placeholder": B}),
    (body("None of this is new."), {}),
    (body("Hi , there."), {"placeholder": B}),
    (body("Nan was there. Annullment too."), {}),
    ({"body": NO_WAY_OUT}, {"no_opt_out": B}),
    ({"body": BODY.replace("12 Sample Street", "Somewhere")}, {"no_postal_address": B}),
    ({"sender": SENDER.model_copy(update={"postal_address": "  "})}, {"no_postal_address": B}),
    ({"body": BODY.replace(ADDRESS, ADDRESS.replace(", ", ",\n"))}, {}),
    (body("I hope this finds you well."), {"banned_opener": B}),
    (body("i  HOPE this\nfinds you well."), {"banned_opener": B}),
    (body("I hope you’re doing well."), {"banned_opener": B}),
    (body("Just wanted to say hello."), {"banned_opener": B}),
    (body("An adjust wanted to happen."), {}),
    (body("It is free."), {"spam_word": B}),
    (body("It is FREE!"), {"spam_word": B}),
    (body("It is ｆｒｅｅ."), {"spam_word": B}),
    (body("It is fr\u200bee."), {"spam_word": B, "hidden_characters": B}),
    (body("We know freelance work."), {}),
    (body("A toll-free number, a carefree day."), {}),
    (body("A risk-free start."), {"spam_word": B}),
    (body("Act now."), {"spam_word": B}),
    (body("It costs $500."), {"price": B}),
    (body("It costs 500 EUR."), {"price": B}),
    (body("Only 40 dollars a month."), {"price": B}),
    (body("They raised $12M."), {}),
    (body("You have 120 people in 4 offices."), {}),
    (body("See https://chiefaiofficer.example/a."), {}),
    (body("See https://blog.chiefaiofficer.example/a."), {}),
    (body("See https://evil.example/a."), {"link_not_allowed": B}),
    (body("See https://chiefaiofficer.example@evil.example/a."), DISGUISED),
    (body("See https://chiefaiofficer.example.evil.test/."), {"link_not_allowed": B}),
    (body("See HTTP://EVIL.EXAMPLE."), {"link_not_allowed": B}),
    (body("See www.evil.test now."), {"link_not_allowed": B}),
    (body("See javascript:alert(1)"), {"link_unreadable": B}),
    (body("See ftp://chiefaiofficer.example/a"), {"link_unreadable": B}),
    ({"links": ("https://evil.example/x",)}, {"link_not_allowed": B}),
    (body("See evil.com for it."), {"bare_domain": R}),
    # mail programs link it whatever stands before or behind it
    *(
        (body(f"See {before}https://evil.example/a."), {"link_not_allowed": B})
        for before in ("\u4e2d", "\u00e9", "_", "1", "\u2026")
    ),
    *(
        (body(f"See {odd} for it."), {"bare_domain": R})
        for odd in ("_evil.com", "-evil.com", "...evil.com", "evil.com_", "evil.com\u4e2d")
    ),
    (body("Node.js and U.S. firms, e.g. here."), {}),
    (body("Ask boss@northwind.example."), {"foreign_address": B}),
    (body("Ask robin.hale@chiefaiofficer.example."), {}),
    ({"sender": SENDER.model_copy(update={"name": " "})}, {"sender_invalid": B}),
    ({"sender": SENDER.model_copy(update={"email": "nobody"})}, {"sender_invalid": B}),
    ({"sender": SENDER.model_copy(update={"name": "Robin\nBcc: x"})}, {"sender_invalid": B}),
    ({"sender": SENDER.model_copy(update={"email": "me@northwind.example"})}, OURS),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "wanted"), CASES, ids=[f"{n}-{str(c[0])[-40:]}" for n, c in enumerate(CASES)]
)
def test_content(changes: dict[str, Any], wanted: dict[str, Verdict]) -> None:
    assert said(inputs(draft=draft(**changes))) == wanted


def test_a_spam_word_inside_the_companys_own_name_is_for_a_person() -> None:
    named = dossier({"company": "Urgent Care Partners"})
    text = draft(**body("Urgent Care Partners is growing."))
    assert said(inputs(dossier=named, draft=text)) == {"spam_word_in_name": R}


def test_an_amount_in_the_companys_own_funding_is_not_our_price() -> None:
    funded = dossier(facts={"funding": fact("Series A, $12,000,000")})
    claim = CLAIMS[0].model_copy(
        update={
            "fact": "funding",
            "text": "a $12,000,000 round",
            "evidence": "Series A, $12,000,000",
            "url": None,
        }
    )
    text = draft(**body("You raised a $12,000,000 round."), claims=(claim, CLAIMS[1]))
    assert said(inputs(dossier=funded, draft=text)) == {}
