"""Whether what the gate is asked to decide tells one story. Owns: refusing requests that do not.

Rules look a lead up by its id and a pattern by its scope. A caller who could name another id,
scope or sender than the lead's, the template's or the configured one would get a decision about
something else than what would go out. Such a request is refused and never recorded as decided.
What a caller says it *knows* (facts, score) is judged by the rules, not here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from guardrails.config.models import TemplateEntry
from guardrails.errors import BadInput, ConfigError
from guardrails.identity import dedupe_key, lead_id
from guardrails.model import Draft, Lead, Qualification, Sender

_LINKEDIN = "linkedin:"
_TEMPLATE_HASH = re.compile(r"[0-9a-f]{16}\Z")
_MADE_BY_HUNTER = "Pass the lead as the hunter returned it."
_MADE_BY_CRAFTER = "Pass the draft as the crafter returned it, with the qualification it was given."


def check_lead(lead: Lead, salt: bytes) -> None:
    """A lead is known under the id of its address, or of its profile when it came without one.

    Raises:
        BadInput: id, key, address and profile do not belong together. Neither is repeated.
    """
    if lead.dedupe_key.startswith(_LINKEDIN):
        # Its address, if any, was found later: the bank is asked under `other_ids` as well.
        if lead.dedupe_key != f"{_LINKEDIN}{lead.linkedin_url}":
            raise _refused("lead.dedupe_key is not that of its linkedin_url", _MADE_BY_HUNTER)
    elif lead.email is None or lead.dedupe_key != dedupe_key(lead.email):
        raise _refused("lead.dedupe_key is not that of its e-mail address", _MADE_BY_HUNTER)
    if lead.lead_id != lead_id(salt, lead.dedupe_key):
        raise _refused("lead.lead_id is not that of its dedupe_key in this hive", _MADE_BY_HUNTER)


def other_ids(lead: Lead, salt: bytes) -> tuple[str, ...]:
    """Ids under which the same person may be known, apart from the lead's own."""
    if lead.email is None:
        return ()
    try:
        known = lead_id(salt, dedupe_key(lead.email))
    except BadInput:  # no address: the rules say so
        return ()
    return () if known == lead.lead_id else (known,)


def check_draft(
    draft: Draft,
    qualification: Qualification | None,
    templates: Mapping[str, TemplateEntry],
    sender: Sender | None,
) -> None:
    """A draft is of a configured template, for this qualification, from the configured sender.

    Args:
        templates: the configured ones by id.
        sender: the configured one; without one no draft is decided about.

    Raises:
        BadInput: the draft says otherwise.
        ConfigError: there is no sender.
    """
    if sender is None:
        raise ConfigError(
            "no sender is configured, so no draft can be decided about",
            remedy="Set SENDER_NAME, SENDER_EMAIL, SENDER_COMPANY and SENDER_POSTAL_ADDRESS.",
        )
    if draft.sender != sender:
        raise _refused("draft.sender is not the configured sender", _MADE_BY_CRAFTER)
    entry = templates.get(draft.template)
    if entry is None or not _TEMPLATE_HASH.match(draft.template_hash):
        raise _refused("draft.template is not a configured template", _MADE_BY_CRAFTER)
    scope = draft.scope
    if (scope.angle, scope.channel, scope.step) != (entry.angle, entry.channel, entry.step):
        raise _refused("draft.scope is not that of its template", _MADE_BY_CRAFTER)
    if draft.features.get("opener", scope.angle) != scope.angle:
        raise _refused("draft.features.opener is not the angle of its scope", _MADE_BY_CRAFTER)
    if qualification is not None and (scope.segment, scope.persona) != (
        qualification.segment,
        qualification.persona,
    ):
        raise _refused("draft.scope is not that of the qualification", _MADE_BY_CRAFTER)


def _refused(what: str, remedy: str) -> BadInput:
    return BadInput(f"{what}: nothing was decided", remedy=remedy)
