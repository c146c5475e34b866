"""Titles and descriptions of items. Owns: the words, built from our vocabulary only.

Refuses: outside text. Nothing a lead or a reply said ever becomes a title (P9).
"""

from __future__ import annotations

from guardrails.bank.models import ItemKey, ItemScope, Rule

_RULES: dict[Rule, tuple[str, str]] = {
    "resend": (
        "A person rejected this template for this lead",
        "Blocks the same template to the same lead, at the first rejection. Other leads and "
        "other templates are not blocked by it.",
    ),
    "content": (
        "A person rejected exactly this text",
        "Blocks the identical recipient, sender, subject and body, at the first rejection. An "
        "edited text is judged anew.",
    ),
    "opt_out": (
        "This lead opted out or complained",
        "Blocks every e-mail to this lead. It does not speak about other leads.",
    ),
    "competitor": (
        "A person rejected this lead as a competitor's",
        "Blocks every e-mail to this lead. It does not speak about other leads.",
    ),
}
PASSES_IF: dict[Rule, str] = {
    "resend": "another template is used for this lead, or a person retires this rule",
    "content": "the text is changed, or a person retires this rule",
    "opt_out": "never: an opt-out stands until a person retires this rule on the lead's own wish",
    "competitor": "a person establishes that the lead is no competitor and retires this rule",
}


def scope_text(scope: ItemScope) -> str:
    """`segment x angle x persona (channel, step n)`."""
    parts = [part or "any" for part in (scope.segment, scope.angle, scope.persona)]
    return f"{' x '.join(parts)} ({scope.channel or 'any channel'}, step {scope.step or 'any'})"


def title_of(key: ItemKey) -> str:
    """One line for a person."""
    if key.match.rule is not None:
        return _RULES[key.match.rule][0]
    return key.name or f"Failures of {scope_text(key.scope)}"


def description_of(key: ItemKey) -> str:
    """When the item applies, and when not."""
    if key.match.rule is not None:
        return _RULES[key.match.rule][1]
    if key.kind == "golden":
        return (
            f"A structure that worked for {scope_text(key.scope)}. Compared by structure and "
            "claims, never by wording; a draft unlike it is not wrong for that."
        )
    return (
        f"Outcomes of drafts for {scope_text(key.scope)}. Blocks or asks for review when the "
        "failure rate is probably too high; lends broader scopes a prior, and never blocks them."
    )
