"""Links and addresses in a text. Owns: finding them as a mail program would.

Mail programs link bare domains too, so those count as well. Pure, linear in the text's length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import urlsplit

from guardrails.errors import BadInput
from guardrails.identity import registrable
from guardrails.policy.words import EMAIL, ascii_domain

URL = re.compile(r"\b(?:[a-z][a-z0-9+.-]{1,15}://|www\.|mailto:|javascript:|data:)[^\s<>\"]+", re.I)
_BARE = re.compile(r"(?<![\w@./-])[^\W_][\w-]{0,62}(?:\.[\w-]{1,63})+(?![\w@-])")


def urls(text: str) -> list[str]:
    """Explicit links, without the punctuation that ends a sentence."""
    if ":" not in text and "www." not in text.lower():
        return []
    return [found.group().rstrip(".,;:!?)]}'") for found in URL.finditer(text)]


def emails(text: str) -> list[str]:
    """E-mail addresses, lower-cased."""
    if "@" not in text:
        return []
    return [found.group().lower() for found in EMAIL.finditer(text)]


def bare_domains(text: str) -> Iterator[str]:
    """Domains that stand in the text on their own, in ASCII."""
    if "." not in text:
        return
    rest = EMAIL.sub(" ", URL.sub(" ", text))
    for found in _BARE.finditer(rest):
        domain = ascii_domain(found.group())
        if domain is not None and is_public(domain.rpartition(".")[2]):
            yield domain


def host(url: str) -> str | None:
    """The host a link leads to, in ASCII; None when that is not plain to see."""
    if "\\" in url or "@" in url:
        return None
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        return ascii_domain(parts.hostname or "") if parts.scheme in {"http", "https"} else None
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def is_public(suffix: str) -> bool:
    """Whether names under this top-level domain exist: `Node.js` is no domain."""
    try:
        return registrable(f"a.b.{suffix}") == f"b.{suffix}"
    except BadInput:
        return False
