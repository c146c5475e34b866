"""Outside text is data (P9). Owns: noticing text that reads like an instruction.

Lead fields, facts and headlines never steer anything here, whatever they say; text that tries is
shown to a person, and must not stand in the draft. Detection only ever makes a verdict stricter:
a pattern it misses gains the text nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from guardrails.policy.case import Case
from guardrails.policy.links import bare_domains, emails, urls
from guardrails.policy.rules import Findings, Rule, block, review
from guardrails.policy.words import ascii_domain, plain

LONGEST = 300  # characters of a name, title or company that a person would type
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass|skip)\b.{0,40}"
    r"\b(?:instructions?|prompts?|rules?|polic(?:y|ies)|guardrails?|checks?|above|previous)\b"
    r"|\b(?:system|developer|assistant|user)\s*(?:prompt|message|role)?\s*:\s"
    r"|\bsystem prompt\b|\bnew instructions?\b|\byou are (?:now|an? (?:ai|assistant|agent))\b"
    r"|\bas an? (?:ai|language) (?:model|assistant|agent)\b|\bjailbreak\b|\bdeveloper mode\b"
    r"|\bact as (?:an? )?(?:ai|assistant|agent|admin)\b|\bpretend (?:that )?you\b"
    r"|\bdo not (?:tell|mention|reveal|log)\b"
    r"|\b(?:mark|treat|classify|set) (?:this|it|me|the)\b.{0,40}"
    r"\b(?:approved|safe|pass|live|qualified)\b"
    r"|\bconfirm\s*=\s*true\b|\bmode\s*[:=]\s*\"?(?:live|assisted)\b|\btool_?call\b"
    r"|<\|?/?(?:im_start|im_end|system|assistant|user|inst|s)\|?>|\[/?inst\]"
)
_REQUESTS = re.compile(
    r"\bapproved?\b(?! (?:person|vendor|supplier|provider))|\bsend (?:\w+ ){0,4}to\b|\bb?cc\s*:"
    r"|\b(?:forward|reply|email|e-mail|wire|transfer) (?:\w+ ){0,3}to\b"
    r"|\bplease (?:send|add|set|use)\b"
)
_TEMPLATE = re.compile(r"\{\{|\}\}|\{%|%\}|\{#|\$\{|<%|<script|\[\[")
_MARKUP = re.compile(r"[{}<>\\]|['\"]\s*[;)}]|;\s*--")
# Also what a channel could not send letter for letter: a tab, other line ends than \n.
_HIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u2060\u2028-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)
_LEAD_FIELDS = (
    "first_name",
    "last_name",
    "title",
    "company",
    "city",
    "state",
    "industry",
    "country",
    "timezone",
)
_FREE_TEXT_FACTS = frozenset({"funding", "ai_initiative", "hiring", "technologies"})
_NOT_TEXT = frozenset({"email", "domain", "parent_domain", "linkedin_url"})


def suspicious(case: Case) -> Findings:
    """Each outside text that reads like an instruction, and whether the draft repeats it."""
    for where, text, problem in _suspects(case):
        if case.draft is not None and plain(text) and plain(text) in case.written:
            yield block(
                "injection_in_draft",
                f"The draft repeats {where}, which {problem}.",
                "the draft does without it",
            )
        yield review(
            "injection",
            f"Outside text in {where} {problem}. It was treated as data.",
            "a person finds it harmless or corrects it",
        )


def hidden(case: Case) -> Findings:
    """A draft shows all it says."""
    if case.draft is not None and _HIDDEN.search(case.draft.subject + case.draft.body):
        yield block(
            "hidden_characters", "The draft holds invisible or direction-changing signs, or a tab."
        )


def borrowed_links(case: Case) -> Findings:
    """No link or address of outside text stands in the draft, not even to an allowed host."""
    if case.draft is None:
        return
    outside = " ".join(text for _where, text, _short in _texts(case))
    written = set(urls(case.written)) | set(emails(case.written))
    borrowed = written & {*urls(outside.casefold()), *emails(outside)}
    if borrowed:
        yield block("borrowed_link", "A link or address in the draft comes from outside text.")


def _texts(case: Case) -> Iterator[tuple[str, str, bool]]:
    """(where, text, whether it is a short field that has no business holding sentences)."""
    for name in _LEAD_FIELDS:
        if value := getattr(case.lead, name):
            yield f"the lead's {name}", value, True
    for tech in case.lead.technologies:
        yield "the lead's technologies", tech, False  # ASP.NET and Monday.com are products
    for name, fact in case.inputs.dossier.facts.items():
        if name in _NOT_TEXT:
            continue
        for item in fact.value if isinstance(fact.value, tuple) else (fact.value,):
            if isinstance(item, str):
                yield f"the fact {name} ({fact.source})", item, name not in _FREE_TEXT_FACTS
    research = case.inputs.dossier.research
    for news in research.news if research else ():
        yield f"a headline ({news.source})", news.title, False
        if news.publisher:
            yield f"a publisher's name ({news.source})", news.publisher, False


def _suspects(case: Case) -> Iterator[tuple[str, str, str]]:
    """(where, text, problem), each text once: facts often repeat the row."""
    own = {domain for _what, domain in case.domains}
    seen: set[str] = set()
    for where, text, short in _texts(case):
        if text not in seen and (problem := _problem(text, short, own)):
            seen.add(text)
            yield where, text, problem


def _problem(text: str, short: bool, own_domains: set[str]) -> str | None:
    if _HIDDEN.search(text):
        return "holds invisible or direction-changing signs"
    read = plain(text)
    if _TEMPLATE.search(read):
        return "holds template syntax"
    if _ORDERS.search(read):
        return "reads like an instruction to a machine"
    if not short:
        return None
    if len(text) > LONGEST:
        return f"is {len(text)} characters long"
    if _REQUESTS.search(read):
        return "reads like a request"
    if _MARKUP.search(read):
        return "holds markup or code"
    if urls(read) or emails(read):
        return "holds a link or an e-mail address"
    foreign = [name for name in bare_domains(read) if ascii_domain(name) not in own_domains]
    return "holds a web address that is not the company's" if foreign else None


RULES = (
    Rule("outside_text", "No outside text reads like an instruction.", suspicious),
    Rule("hidden_signs", "The draft holds no invisible signs.", hidden),
    Rule("borrowed_links", "No link or address comes from outside text.", borrowed_links),
)
