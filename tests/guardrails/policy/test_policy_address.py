"""Whether an address may be written to."""

from __future__ import annotations

from typing import Any

import pytest

from guardrails.model import CrmView, OutreachView, Verdict
from tests.decision_samples import dossier, fact, inputs, said

D, R, W, B = Verdict.DISQUALIFY, Verdict.REVIEW, Verdict.DEFER, Verdict.BLOCK

CASES: list[tuple[dict[str, Any], dict[str, Verdict]]] = [
    ({"lead": {"email": None}}, {"no_email": W}),
    ({"lead": {"email": "not an address"}}, {"email_unreadable": D}),
    ({"lead": {"email": "a@b@c"}}, {"email_unreadable": D}),
    ({"lead": {"email": "ana@Gmail.com"}}, {"free_mail": D}),
    ({"lead": {"email": "ana@yahoo.co.jp"}}, {"free_mail": D}),
    (
        {"lead": {"email": "ana@gmail.com"}, "facts": {"email": fact("ana@northwind.example")}},
        {"free_mail_work_known": R},
    ),
    (
        {"lead": {"email": "ana@gmail.com"}, "facts": {"email": fact("ana@outlook.com")}},
        {"free_mail": D},
    ),
    ({"lead": {"email": "ana@notgmail.com"}}, {}),
    ({"lead": {"email": "ana@mailinator.com"}}, {"disposable_domain": D}),
    ({"lead": {"email": "ana@x.mailinator.com"}}, {"disposable_domain": D}),
    ({"lead": {"email": "No-Reply@northwind.example"}}, {"blocked_mailbox": D}),
    ({"lead": {"email": "noreply-hr@northwind.example"}}, {"blocked_mailbox": D}),
    ({"lead": {"email": "do.not.reply+x@northwind.example"}}, {"blocked_mailbox": D}),
    ({"lead": {"email": "abuse@northwind.example"}}, {"blocked_mailbox": D}),
    ({"lead": {"email": "abuseiro@northwind.example"}}, {}),
    ({"lead": {"email": "postmaster@northwind.example"}}, {"blocked_mailbox": D}),
    ({"lead": {"email": "MAILER-DAEMON@northwind.example"}}, {"blocked_mailbox": D}),
    ({"lead": {"email": "info@northwind.example"}}, {"role_account": R}),
    ({"lead": {"email": "Sales+eu@northwind.example"}}, {"role_account": R}),
    ({"lead": {"email": "info2@northwind.example"}}, {"role_account": R}),
    ({"lead": {"email": "salesky@northwind.example"}}, {}),
    ({"facts": {"mx": fact(False)}}, {"no_mx": D}),
    ({"facts": {"mx": fact(True)}}, {}),
    ({"facts": {"email_status": fact("catch_all")}}, {"catch_all": R}),
    ({"facts": {"email_status": fact("invalid")}}, {"email_invalid": B}),
    ({"facts": {"email_status": fact("unknown")}}, {}),
    ({"lead": {"bounced": True}}, {"bounced_before": R}),
    ({"crm": CrmView(bounced=True)}, {"bounced_before": R}),
    ({"outreach": OutreachView(lead_status="bounced")}, {"bounced_before": R}),
]


@pytest.mark.parametrize(("changes", "wanted"), CASES, ids=[str(case[0])[:60] for case in CASES])
def test_address(changes: dict[str, Any], wanted: dict[str, Verdict]) -> None:
    assert said(inputs(dossier=dossier(**changes))) == wanted


@pytest.mark.parametrize(("sandbox", "wanted"), [(True, {}), (False, {"reserved_domain": D})])
def test_reserved_domains_take_mail_in_the_sandbox_only(
    sandbox: bool, wanted: dict[str, Verdict]
) -> None:
    assert said(inputs(sandbox=sandbox)) == wanted
