"""What an e-mail is built like, not what it says. Owns: the features the bank compares.

Length counts the message alone: signature, address and legal sentences differ by country and would
make one pattern look like two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from guardrails.model import Claim

SHORT_BELOW = 90  # words of the message
LONG_ABOVE = 150
_ENDS = ".?!…\n"
_MEETING = re.compile(r"\b(?:call|meet|meeting|calendar|minutes|demo)\b", re.IGNORECASE)


def features_of(angle: str, subject: str, message: str, claims: Sequence[Claim]) -> dict[str, str]:
    """Opener, claims, length, call to action and subject style of a draft.

    `message` is the body above the sender's name.
    """
    return {
        "opener": angle,
        "claims": _claims(claims),
        "length": _length(len(message.split())),
        "cta": _call_to_action(message),
        "subject": _subject(subject, claims),
    }


def _claims(claims: Sequence[Claim]) -> str:
    kinds = {claim.kind for claim in claims}
    return "+".join(kind for kind in ("company", "role") if kind in kinds) or "none"


def _length(words: int) -> str:
    if words < SHORT_BELOW:
        return "short"
    return "long" if words > LONG_ABOVE else "medium"


def _call_to_action(message: str) -> str:
    end = message.rfind("?")
    if end < 0:
        return "resource"
    start = max(message.rfind(mark, 0, end) for mark in _ENDS)
    return "meeting" if _MEETING.search(message, start + 1, end) else "question"


def _subject(subject: str, claims: Sequence[Claim]) -> str:
    named = {claim.fact for claim in claims if claim.text in subject}
    if "company" in named:
        return "company"
    return "person" if "first_name" in named else "topic"
