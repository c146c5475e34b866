"""E-mail addresses, web sites and LinkedIn profiles. Owns: their normal forms, and refusals.

`guardrails.identity` decides what an address is; here its usual wrappings are taken off. Reserved
names (RFC 2606, RFC 6761) are refused except that the sandbox's invented people live there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from guardrails.errors import BadInput
from guardrails.identity import normalise_domain, normalise_email
from servers.hunter.text import clean

_SANDBOX_TLDS = frozenset({"example", "test"})
_NEVER_TLDS = frozenset({"invalid", "localhost", "local", "onion", "arpa", "internal", "alt"})
_EXAMPLE_DOMAINS = frozenset({"example.com", "example.net", "example.org"})
# Pages on other people's sites say nothing about the company's own domain.
_HOSTS = frozenset({
    "linkedin.com", "facebook.com", "twitter.com", "x.com", "instagram.com", "youtube.com",
    "tiktok.com", "linktr.ee", "google.com", "bit.ly", "crunchbase.com", "github.com",
})  # fmt: skip
_BRACKETED = re.compile(r"<\s*([^<>\s]+@[^<>\s]+)\s*>")
_EXCEL_TEXT = re.compile(r'\A="?(.*?)"?\Z')
# An address inside a mail header or a sentence may be anybody's, not this person's.
_HEADER = re.compile(r"\b(?:bcc|cc|to|from|reply-to|subject)\s*:", re.IGNORECASE)
_WORDS = 8  # two addresses with their names
_WWW = re.compile(r"\Awww\.(?=[^.]+\.)")  # of www.com nothing is left to take away
_PROFILE = re.compile(r"/(?:in|pub)/([^/]+)|/sales/(?:lead|people)/([^/,]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """A usable address, or what is wrong with it (`problem` names no address)."""

    email: str | None = None
    problem: str | None = None


def read_email(cell: str, *, sandbox: bool) -> Address:
    """The first usable address in a cell: `mailto:`, `Name <a@b>`, lists, quotes and dots."""
    if _HEADER.search(cell) or len(cell.split()) > _WORDS:
        return Address(problem="it holds more than an address")
    problem = None
    for address in _addresses(cell, sandbox=sandbox):
        if address.email is not None:
            return address
        problem = problem or address.problem
    return Address(problem=problem or "not an e-mail address")


def read_emails(cell: str, *, sandbox: bool) -> list[str]:
    """Every usable address in a cell, whatever else stands in it."""
    return [found.email for found in _addresses(cell, sandbox=sandbox) if found.email is not None]


def is_reserved(domain: str, *, sandbox: bool) -> bool:
    """Whether no mail can reach `domain`; `.example` and `.test` count as real in the sandbox."""
    tld = domain.rpartition(".")[2]
    if tld in _NEVER_TLDS:
        return True
    documented = tld in _SANDBOX_TLDS or is_listed(domain, _EXAMPLE_DOMAINS)
    return documented and not sandbox


def read_domain(cell: str) -> str | None:
    """The host of a web address, bare domain or e-mail address, ASCII, without `www.`."""
    host = _host(clean(cell))
    if host is None or is_listed(host, _HOSTS):
        return None
    return host


def read_website(cell: str) -> str | None:
    """A web address as given, its host normalised; `https://` where no scheme was stated."""
    text = clean(cell)
    if _host(text) is None or "@" in text:
        return None
    parts = urlsplit(text if "://" in text else f"https://{text}")
    host = normalise_domain(parts.hostname or "")
    return f"{parts.scheme.lower()}://{host}{parts.path.rstrip('/')}"


def email_domain(email: str, free_mail: Collection[str]) -> str | None:
    """The company's domain as the address tells it; None at a free mail provider."""
    domain = email.rpartition("@")[2]
    return None if is_listed(domain, free_mail) else domain


def is_listed(domain: str, listed: Collection[str]) -> bool:
    """Whether `domain` (in normal form) is one of `listed` or below one."""
    labels = domain.split(".")
    return any(".".join(labels[place:]) in listed for place in range(len(labels) - 1))


def read_linkedin(cell: str) -> str | None:
    """A person's profile as `https://www.linkedin.com/in/<slug>`; None for anything else."""
    text = clean(cell)
    if re.match(r"/?(?:in|pub)/[^/\s]+/?\Z", text, re.IGNORECASE):
        text = f"linkedin.com/{text.lstrip('/')}"
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host = parts.hostname or ""
    except ValueError:
        return None
    if host != "linkedin.com" and not host.endswith(".linkedin.com"):
        return None
    match = _PROFILE.match(parts.path)
    if match is None:
        return None
    if match.group(2):
        return f"https://www.linkedin.com/sales/lead/{match.group(2)}"
    slug = clean(unquote(match.group(1))).strip().lower()
    return f"https://www.linkedin.com/in/{slug}" if slug else None


def _addresses(cell: str, *, sandbox: bool) -> Iterator[Address]:
    for part in _email_parts(cell):
        try:
            email = normalise_email(part)
        except BadInput as error:
            yield Address(problem=error.message)
            continue
        if is_reserved(email.rpartition("@")[2], sandbox=sandbox):
            yield Address(problem="its domain is reserved and reaches nobody")
        else:
            yield Address(email=email)


def _email_parts(cell: str) -> list[str]:
    text = clean(cell)
    if bracketed := _BRACKETED.findall(text):
        return [str(part) for part in bracketed]
    text = _EXCEL_TEXT.sub(r"\1", text)
    parts = []
    for part in re.split(r"[;,|]|\s+/\s+|\s+", text):
        bare = re.sub(r"\Amailto:", "", part.strip("<>\"'()[] "), flags=re.IGNORECASE)
        bare = bare.partition("?")[0].strip(".:'\"<>")
        if "@" in bare:
            parts.append(bare)
    return parts


def _host(text: str) -> str | None:
    if not text or " " in text:
        return None
    if "@" in text and "://" not in text:
        text = text.rpartition("@")[2]
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host = parts.hostname
        if parts.scheme.lower() not in ("http", "https") or not host:
            return None
        return _WWW.sub("", normalise_domain(host))
    except (BadInput, ValueError):
        return None
