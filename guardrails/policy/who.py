"""Whom we may write to, by company and by person. Owns: DOMAIN "Who", except the address itself.

A disqualified lead is not contacted, whatever the draft says. Domain rules hold for subdomains,
any letter case and IDNA spellings; a parent company counts as the company.
"""

from __future__ import annotations

from datetime import timedelta

from guardrails.policy.case import Case, utc
from guardrails.policy.rules import Findings, Rule, defer, disqualify, review
from guardrails.policy.words import DomainList, ascii_domain, plain


def listed(case: Case, domains: DomainList, code: str, kind: str) -> Findings:
    """Disqualify when any domain of the company is on the list."""
    for what, domain in case.domains:
        if hit := domains.hit(domain):
            text = f"{domain} ({what}) belongs to {kind}: {hit} is listed."
            yield disqualify(code, text, f"{hit} is taken off the list")


def competitor(case: Case) -> Findings:
    """By domain, parent, research finding; a name alone is for a person to judge."""
    domains = tuple(listed(case, case.policy.competitors, "competitor_domain", "a competitor"))
    yield from domains
    research = case.inputs.dossier.research
    if research is not None and research.competitor.is_competitor and not domains:
        found = research.competitor
        yield disqualify(
            "competitor_research",
            f"Research says competitor ({found.matched or 'no domain named'}): {found.why}",
            "a person corrects config/competitors.json",
        )
    company = case.lead.company or case.text_fact("company")
    named = company and case.policy.competitor_names.search(plain(company))
    if named and not domains:
        yield review(
            "competitor_name",
            f"The company's name contains {named.group()!r}, a competitor's name.",
            "a person confirms that it is another company",
        )


def customer(case: Case) -> Findings:
    """By the row, the CRM or the list; a customer's subsidiary is a customer."""
    remedy = "the company is no longer a customer there"
    if case.lead.customer:
        yield disqualify("customer", "The row marks this lead as a customer.", remedy)
    crm = case.inputs.dossier.crm
    if crm is not None and (crm.is_customer or crm.customer_domain):
        of = f" ({crm.customer_domain})" if crm.customer_domain else ""
        yield disqualify("customer", f"The CRM knows this company as a customer{of}.", remedy)
    yield from listed(case, case.policy.customers, "customer", "a customer")


def partner(case: Case) -> Findings:
    """Excluded partners."""
    return listed(case, case.policy.partners, "excluded_partner", "an excluded partner")


def institution(case: Case) -> Findings:
    """Government, military, education, non-profit."""
    for what, domain in case.domains:
        if hit := case.policy.institutions.hit(domain):
            text = f"{domain} ({what}) is institutional: government, military or education ({hit})."
            yield disqualify("institution_domain", text)
    stated = {
        plain(case.text_fact("industry") or ""): "industry",
        plain(case.lead.industry or ""): "industry",
        plain(case.text_fact("ownership") or ""): "ownership",
    }
    for value, what in stated.items():
        if value in case.policy.institution_words:
            text = f"Its {what} is {value!r}: not a company we write to."
            yield disqualify("institution", text, f"the {what} is wrong and is corrected")
    company = case.lead.company or case.text_fact("company")
    named = company and case.policy.nonprofit_words.search(plain(company))
    if named:
        text = f"The company's name contains {named.group()!r}: perhaps an institution."
        yield review("institution_name", text, "a person confirms that it is a company")


def size(case: Case) -> Findings:
    """Fewer employees than the minimum, when known."""
    minimum = case.policy.who.min_employees
    fact = case.fact("employee_count")
    enriched = int(fact) if isinstance(fact, int | float) and not isinstance(fact, bool) else None
    known = [count for count in (case.lead.employee_count, enriched) if count is not None]
    small = [count for count in known if count < minimum]
    if not small:
        return
    remedy = f"the company has {minimum} or more employees"
    if len(small) == len(known):
        yield disqualify("too_small", f"{min(small)} employees; the minimum is {minimum}.", remedy)
    else:
        said = " and ".join(str(count) for count in known)
        yield review("size_disputed", f"Sources disagree on employees: {said}.", remedy)


def title(case: Case) -> Findings:
    """Interns, freelancers and the like need a person's eye."""
    for value in dict.fromkeys((case.lead.title, case.text_fact("title"))):
        named = value and case.policy.review_titles.search(plain(value))
        if named:
            yield review(
                "title_review",
                f"The title contains {named.group()!r}: not a decision maker.",
                "a person confirms the role",
            )


def fit(case: Case) -> Findings:
    """Below the ICP's minimum score; not final while look-ups are missing."""
    qualification = case.inputs.qualification
    minimum = case.policy.who.bulk_min_score
    if qualification is None or qualification.score >= minimum:
        return
    text = f"ICP score {qualification.score} (tier {qualification.tier}) is below {minimum}."
    unknown = ", ".join(qualification.unknown)
    remedy = f"the score reaches {minimum}" + (f"; unknown: {unknown}" if unknown else "")
    if unknown and case.inputs.dossier.problems:
        yield defer("below_icp_for_now", f"{text} Look-ups failed, so it may be higher.", remedy)
    else:
        yield disqualify("below_icp", text, remedy)


def opted_out(case: Case) -> Findings:
    """Whoever said no, to anybody of us, anywhere. Never overridden."""
    yield from (disqualify(code, text) for code, text in _refusals(case))
    outreach = case.inputs.dossier.outreach
    if outreach is not None and plain(outreach.interest or "") in _NEGATIVE:
        yield review(
            "not_interested",
            f"The sending platform has this address as {plain(outreach.interest or '')!r}.",
            "a person decides to write all the same",
        )


_NEGATIVE = frozenset({"not interested", "not_interested", "wrong person", "wrong_person", "lost"})


def _refusals(case: Case) -> list[tuple[str, str]]:
    lead, inputs = case.lead, case.inputs
    crm, outreach = inputs.dossier.crm, inputs.dossier.outreach
    found = []
    if inputs.suppression is not None:
        found.append(("suppressed", f"On the suppression list: {inputs.suppression}."))
    if lead.opted_out:
        found.append(("opted_out", "The row says that this person opted out."))
    if lead.do_not_contact is not None:
        found.append(("do_not_contact", "The row says not to contact this person."))
    if crm is not None and crm.dnd_email:
        found.append(("dnd", "The CRM has do-not-disturb on for e-mail."))
    if outreach is not None and outreach.blocked:
        found.append(("blocked_outreach", "On the sending platform's block list."))
    if outreach is not None and outreach.lead_status == "unsubscribed":
        found.append(("unsubscribed", "Unsubscribed at the sending platform."))
    return found


def contacted(case: Case) -> Findings:
    """Written to lately, or in a campaign now."""
    lead, crm = case.lead, case.inputs.dossier.crm
    days = case.policy.who.recent_contact_days
    times = {"the row": lead.last_contacted_at, "the CRM": crm.last_contacted_at if crm else None}
    for source, at in times.items():
        if at is not None and case.inputs.now - utc(at) < timedelta(days=days):
            yield review(
                "contacted_recently",
                f"Last contacted {at:%Y-%m-%d} according to {source}: within {days} days.",
                f"{days} days have passed since then",
            )
    outreach = case.inputs.dossier.outreach
    if outreach is not None and outreach.lead_status in {"active", "paused"}:
        text = f"Already in a campaign at the sending platform ({outreach.lead_status})."
        yield review("in_campaign", text, "that campaign is over")


def readable_domains(case: Case) -> Findings:
    """A domain that cannot be read cannot be compared with the lists either."""
    for what, text in case.stated_domains:
        if ascii_domain(text) is None:
            yield review(
                "domain_unreadable",
                f"The domain given as {what} cannot be read, so no list was checked for it.",
                "it is corrected",
            )


def company(case: Case) -> Findings:
    """Somebody of no known company cannot be judged."""
    if not case.domains and not case.lead.company:
        yield review("company_unknown", "Nothing names the company.", "the company is known")


RULES = (
    Rule("opted_out", "Nobody has an opt-out, suppression or DND on record.", opted_out),
    Rule("competitor", "Not a competitor, by domain, parent, name or research.", competitor),
    Rule("customer", "Not a customer, nor a customer's subsidiary.", customer),
    Rule("partner", "Not an excluded partner.", partner),
    Rule("institution", "Not government, military, education or non-profit.", institution),
    Rule("company_size", "Large enough, or size unknown.", size),
    Rule("icp_fit", "Not below the ICP's minimum score.", fit),
    Rule("title", "The title names no intern, freelancer or student.", title),
    Rule("recent_contact", "Not contacted lately and in no campaign.", contacted),
    Rule("domains_readable", "Every stated domain could be compared.", readable_domains),
    Rule("company_known", "The company is known.", company),
)
