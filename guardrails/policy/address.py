"""Whether the address itself may be written to. Owns: mailbox and mail-domain rules."""

from __future__ import annotations

from guardrails.policy.case import Case
from guardrails.policy.rules import Findings, Rule, block, defer, disqualify, review

_RESERVED = frozenset({"example", "test", "invalid", "localhost", "local"})


def usable(case: Case) -> Findings:
    """There is one, and it can be read."""
    if case.lead.email is None:
        yield defer("no_email", "No e-mail address is known.", "enrichment finds a work address")
    elif case.email is None:
        text = "What stands as e-mail address is none."
        yield disqualify("email_unreadable", text, "it is corrected")


def free_mail(case: Case) -> Findings:
    """Only a personal address is no business address."""
    if case.email_domain is None or not case.policy.free_mail.hit(case.email_domain):
        return
    enriched = (case.text_fact("email") or "").rpartition("@")[2].lower()
    if enriched and not case.policy.free_mail.hit(enriched):
        text = f"A personal address at {case.email_domain}; enrichment knows one at work."
        yield review("free_mail_work_known", text, "the lead is imported with the work address")
    else:
        text = f"Only a personal address is known ({case.email_domain})."
        yield disqualify("free_mail", text, "a work address is known")


def disposable(case: Case) -> Findings:
    """Throw-away mail."""
    if case.email_domain and (hit := case.policy.disposable.hit(case.email_domain)):
        yield disqualify("disposable_domain", f"{hit} gives out throw-away addresses.")


def mailbox(case: Case) -> Findings:
    """Mailboxes of machines and of roles."""
    name = case.local_part
    if not name:
        return
    machine = any(
        name == part or (len(part) > 6 and name.startswith(part))
        for part in case.policy.blocked_local_parts
    )
    if machine:
        yield disqualify("blocked_mailbox", "The mailbox belongs to a machine, not a person.")
    elif name.rstrip("0123456789") in case.policy.role_local_parts:
        text = "A role account: several people may read it."
        yield review("role_account", text, "a personal work address is known")


def deliverable(case: Case) -> Findings:
    """The domain takes mail, as far as anybody asked."""
    domain = case.email_domain
    if domain is None:
        return
    if not case.inputs.sandbox and domain.rpartition(".")[2] in _RESERVED:
        yield disqualify("reserved_domain", f"{domain} is reserved and takes no mail.")
    if case.fact("mx") is False:
        yield disqualify("no_mx", f"{domain} has no mail server.", "DNS has an MX record for it")


def status(case: Case) -> Findings:
    """What verification and past sends say about the address."""
    said = case.text_fact("email_status")
    if said == "invalid":
        yield block("email_invalid", "Verification says that the address does not exist.")
    elif said == "catch_all":
        text = "A catch-all domain: nobody can tell whether the address exists."
        yield review("catch_all", text, "the address is verified")
    crm, outreach = case.inputs.dossier.crm, case.inputs.dossier.outreach
    bounced = [
        source
        for source, did in (
            ("the row", case.lead.bounced),
            ("the CRM", crm is not None and crm.bounced),
            ("the sending platform", outreach is not None and outreach.lead_status == "bounced"),
        )
        if did
    ]
    if bounced:
        text = f"Bounced before, according to {' and '.join(bounced)}."
        yield review("bounced_before", text, "the address is verified anew")


RULES = (
    Rule("email_usable", "An e-mail address is known and readable.", usable),
    Rule("free_mail", "Not a personal (free-mail) address.", free_mail),
    Rule("disposable", "Not a throw-away domain.", disposable),
    Rule("mailbox", "Neither a machine's mailbox nor a role account.", mailbox),
    Rule("deliverable", "Nothing says that the domain takes no mail.", deliverable),
    Rule("email_status", "No bounce on record and not a catch-all.", status),
)
