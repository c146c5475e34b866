"""What may be written. Owns: DOMAIN "What may be written", over subject, body, links and sender.

Phrase lists match whole words as a reader sees them. Facts are judged in `claims`.
"""

from __future__ import annotations

import re

from guardrails.policy.case import Case
from guardrails.policy.links import bare_domains, emails, host, urls
from guardrails.policy.rules import Findings, Rule, block, passed, review
from guardrails.policy.words import MAX_TEXT, ascii_domain, fold, plain, read_whole

_PLACEHOLDERS = (
    re.compile(r"\{\{|\}\}|\{%|%\}|\{#|#\}|\$\{|<%|%>|\[\["),
    re.compile(r"\[[A-Za-z][A-Za-z _/'-]{0,40}\]"),  # [Name], [first name], [COMPANY]
    re.compile(r"\{[A-Za-z_][\w .]{0,40}\}|%[A-Z_]{3,30}%|</?[A-Za-z!][^>\n]{0,80}>"),
    re.compile(r"\b(?:nan|NaN|null|undefined|Undefined)\b|\bNone\b(?! of\b)"),
    re.compile(r"\b(?:[Hh]i|[Hh]ello|[Dd]ear|[Hh]ey) +,"),  # a name that rendered to nothing
    re.compile(r"\b(?:lorem ipsum|TBD|TODO|FIXME|XXX)\b"),
)
_PRICED_EVIDENCE = frozenset({"funding", "revenue_usd", "news"})


def subject(case: Case) -> Findings:
    """Length, shouting, exclamation marks, fake threads, control characters, braces."""
    rules, text = case.policy.content, case.subject
    if case.draft is not None and not case.draft.subject.isprintable():
        yield block("subject_control", "The subject holds control characters or line breaks.")
    if case.draft is not None and re.search(r"[{}]", case.draft.subject):
        yield block("subject_braces", "The subject holds a brace, which Instantly would fill in.")
    if not rules.subject_min <= len(text) <= rules.subject_max:
        yield block(
            "subject_length",
            f"The subject has {len(text)} characters.",
            f"it has {rules.subject_min} to {rules.subject_max}",
        )
    if text.isupper() and sum(char.isalpha() for char in text) > 3:
        yield block("subject_caps", "The subject is all capitals.")
    marks = text.count("!")
    if marks > rules.max_exclamations:
        limit = rules.max_exclamations
        yield block("subject_exclamations", f"The subject has {marks} '!'.", f"at most {limit}")
    if case.policy.fake_prefix.match(text.casefold()):
        yield block("fake_reply", "The subject pretends to be a reply or a forwarded e-mail.")
    if named := case.policy.competitor_names.search(text.casefold()):
        yield block("competitor_in_subject", f"The subject names {named.group()!r}.")


def length(case: Case) -> Findings:
    """Words of the whole body; all of it, and of the subject, was read by the rules."""
    if case.draft is not None and not all(map(read_whole, (case.draft.subject, case.draft.body))):
        yield block("text_too_long", f"Longer than {MAX_TEXT} characters: not all of it was read.")
    rules, words = case.policy.content, len(case.body.split())
    if rules.body_min_words <= words <= rules.body_max_words:
        yield passed(f"The body has {words} words.")
    else:
        wanted = f"it has {rules.body_min_words} to {rules.body_max_words}"
        yield block("body_length", f"The body has {words} words.", wanted)


def placeholders(case: Case) -> Findings:
    """Something was not filled in."""
    for text in (case.subject, case.body):
        for pattern in _PLACEHOLDERS:
            if found := pattern.search(text):
                yield block("placeholder", f"Not filled in: {found.group()!r}.")
                return


def footer(case: Case) -> Findings:
    """Opt-out and postal address, as CAN-SPAM wants."""
    if case.draft is None:
        return
    body, address = case.body.casefold(), plain(case.draft.sender.postal_address)
    if not case.policy.opt_outs.search(body):
        yield block("no_opt_out", "The body tells no way to opt out.", "it says how to opt out")
    if not address:
        yield block("no_postal_address", "The sender has no postal address configured.")
    elif address not in body:
        yield block("no_postal_address", "The sender's postal address is not in the body.")


def openers(case: Case) -> Findings:
    """Phrases that every recipient has read too often."""
    for found in dict.fromkeys(case.policy.openers.findall(case.written)):
        yield block("banned_opener", f"Banned phrase: {found!r}.", "it is written differently")


def spam(case: Case) -> Findings:
    """Spam words, whole words only. Inside the company's own name a person judges."""
    found = dict.fromkeys(case.policy.spam.findall(case.written))
    if not found:
        return
    company = plain(case.lead.company or "")
    without = case.written.replace(company, " ") if company else case.written
    certain = set(case.policy.spam.findall(without))
    for word in found:
        if word in certain:
            yield block("spam_word", f"Spam word: {word!r}.", "it is written differently")
        else:
            yield review("spam_word_in_name", f"{word!r} is part of the company's name.")


def price(case: Case) -> Findings:
    """No price before discovery. Amounts in the company's own news are not our price."""
    if case.draft is None:
        return
    text = f"{case.subject}\n{case.body}"
    for claim in case.draft.claims:
        if claim.fact in _PRICED_EVIDENCE:
            text = text.replace(fold(claim.text), " ")
    for pattern in case.policy.prices:
        if found := pattern.search(text):
            yield block("price", f"A price before discovery: {found.group()!r}.")
            return


def links(case: Case) -> Findings:
    """Explicit links lead to allowed hosts only; a bare domain is for a person to judge."""
    if case.draft is None:
        return
    text = f"{case.subject}\n{case.body}"
    for url in dict.fromkeys((*urls(text), *map(fold, case.draft.links))):
        where = host(url)
        if where is None:
            yield block("link_unreadable", "A link whose destination is not plain to see.")
        elif not case.policy.links.hit(where):
            yield block("link_not_allowed", f"A link to {where}.", f"{where} is on the allow-list")
    own = {ascii_domain(case.draft.sender.email.rpartition("@")[2])}
    for domain in dict.fromkeys(bare_domains(text)):
        if domain not in own and not case.policy.links.hit(domain):
            text_ = f"{domain} stands in the text, where mail programs make it a link."
            yield review("bare_domain", text_, "it is left out or a person accepts it")


def addresses(case: Case) -> Findings:
    """The sender's is the only e-mail address in the text."""
    if case.draft is None:
        return
    found = set(emails(f"{case.subject}\n{case.body}")) - {case.draft.sender.email.lower()}
    if found:
        yield block("foreign_address", "The text holds an e-mail address that is not the sender's.")


def sender(case: Case) -> Findings:
    """A named sender at an address of its own, never at the recipient's domain."""
    if case.draft is None:
        return
    who = case.draft.sender
    domain = ascii_domain(who.email.rpartition("@")[2])
    oneline = all(part.isprintable() for part in (who.name, who.email, who.company))
    if not who.name.strip() or not who.company.strip() or domain is None or not oneline:
        yield block("sender_invalid", "The sender's name, company or address is unusable.")
    elif domain == case.email_domain:
        yield block("sender_is_recipient", "Sender and recipient have the same domain.")


RULES = (
    Rule("subject", "Subject: length, case, marks and prefix are in order.", subject),
    Rule("body_length", "The body's length is in order.", length),
    Rule("placeholders", "Everything was filled in.", placeholders),
    Rule("footer", "Opt-out and postal address are in the body.", footer),
    Rule("openers", "No banned phrase.", openers),
    Rule("spam_words", "No spam word.", spam),
    Rule("price", "No price.", price),
    Rule("links", "Links lead to allowed hosts only.", links),
    Rule("addresses", "No e-mail address but the sender's.", addresses),
    Rule("sender", "The sender is named and of our own domain.", sender),
)
