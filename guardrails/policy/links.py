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

# Whatever stands before it (a sign of a script without spaces, a low line, dots): a mail program
# finds the link all the same.
URL = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,15}://|(?<![a-z0-9])(?:www\.|mailto:|javascript:|data:))[^\s<>\"]+",
    re.I,
)
_BARE = re.compile(
    r"(?<![^\W_])(?<![@/])(?<![^\W_][.-])[^\W_][\w-]{0,62}(?:\.[\w-]{1,63})+(?![\w@-])"
)
_ASCII = re.compile(r"[a-z0-9][a-z0-9.-]*[a-z0-9]", re.I)


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
        whole = found.group()
        for name in (whole, *_ASCII.findall(whole)):
            domain = ascii_domain(name)
            if domain is not None and is_public(domain.rpartition(".")[2]):
                yield domain
                break


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
