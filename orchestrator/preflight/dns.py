"""What the sending domain says of itself in DNS. Owns: the reading of SPF, DKIM and DMARC.

Gmail and Yahoo ask bulk senders for all three. Refuses to read silence as "no", and to call a
domain aligned: that shows only in the headers of an e-mail that arrived.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Protocol

from dns.exception import DNSException
from dns.resolver import NXDOMAIN, NoAnswer, Resolver

from orchestrator.preflight.model import Check, fail, ok, unknown, warn

_TIMEOUT_S = 5.0
_ALL_THREE = ("spf", "dkim", "dmarc")
_RESERVED = (".example", ".test", ".invalid", ".localhost", "example.com", "example.org")
_ALL = re.compile(r"(?:^|\s)([+?~-]?)all(?:\s|\Z)", re.IGNORECASE)
_KEY = re.compile(r"(?:^|;)\s*p\s*=\s*([^;\s]+)", re.IGNORECASE)
_POLICY = re.compile(r"(?:^|;)\s*p\s*=\s*(none|quarantine|reject)\s*(?:;|\Z)", re.IGNORECASE)
_ASK_AGAIN = "Check the network and the resolver, and run it again."


class TextRecords(Protocol):
    """Who asks DNS."""

    def texts(self, name: str) -> Sequence[str]:
        """The TXT records of a name; empty when there are none.

        Raises:
            OSError: DNS could not be asked.
        """


class SystemDns:
    """The machine's resolver."""

    def texts(self, name: str) -> Sequence[str]:
        """See the port."""
        try:
            resolver = Resolver()
            resolver.lifetime = _TIMEOUT_S
            answer = resolver.resolve(name, "TXT")
        except (NXDOMAIN, NoAnswer):
            return ()
        except DNSException as error:
            raise OSError(f"DNS gave no answer ({type(error).__name__})") from error
        return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]


def check_domain(
    domain: str, selectors: Sequence[str], dns: TextRecords, *, sandbox: bool
) -> list[Check]:
    """SPF, DKIM and DMARC of the sending domain; the sandbox asks no DNS. Blocks."""
    if sandbox:
        told, do = "the sandbox asks no DNS", "Nothing here; for real your own domain is asked."
        return [warn(name, told, do) for name in _ALL_THREE]
    if not domain or ("." + domain).endswith(_RESERVED):
        told = f"{domain}: a reserved name, which DNS does not know"
        if not domain:
            told = "SENDER_EMAIL is not set: there is no sending domain"
        return [fail(name, told, "Set SENDER_EMAIL to your mailbox.") for name in _ALL_THREE]
    return [
        _asked("spf", lambda: _spf(domain, dns)),
        _asked("dkim", lambda: _dkim(domain, selectors, dns)),
        _asked("dmarc", lambda: _dmarc(domain, dns)),
    ]


def _spf(domain: str, dns: TextRecords) -> Check:
    found = [text for text in dns.texts(domain) if text.lower().startswith("v=spf1")]
    if not found:
        do = f"Publish one at {domain}: v=spf1 include:<your mail provider> ~all"
        return fail("spf", f"{domain} has no SPF record", do)
    if len(found) > 1:
        return fail("spf", f"{domain} has {len(found)} SPF records: none counts", "Keep one.")
    ends = _ALL.search(found[0])
    if ends is None and "redirect=" not in found[0].lower():
        return warn("spf", found[0], "It does not end in ~all or -all: anybody may send.")
    if ends is not None and ends.group(1) in ("", "+", "?"):
        return fail("spf", found[0], "It lets anybody send: end it in ~all or -all.")
    return ok("spf", found[0])


def _dkim(domain: str, selectors: Sequence[str], dns: TextRecords) -> Check:
    found: list[str] = []
    revoked: list[str] = []
    for selector in selectors:
        for text in dns.texts(f"{selector}._domainkey.{domain}"):
            if "p=" in text:
                (found if _KEY.search(text) else revoked).append(selector)
    if found:
        told = f"keys at {', '.join(found)} (selectors tried: {len(selectors)})"
        return ok("dkim", f"{told}; that they sign shows in an e-mail that arrived")
    do = (
        "Switch DKIM on at your mail provider, or name its selector in "
        "readiness.dkim_selectors (config/production.json)."
    )
    if revoked:
        return fail("dkim", f"the key at {', '.join(revoked)} is empty: revoked", do)
    return fail("dkim", f"no key at any of {', '.join(selectors)}", do)


def _dmarc(domain: str, dns: TextRecords) -> Check:
    """At the domain, or at the one above it, whose policy is inherited."""
    for name in _lineage(domain):
        found = [
            text for text in dns.texts(f"_dmarc.{name}") if text.lower().startswith("v=dmarc1")
        ]
        if len(found) > 1:
            return fail(
                "dmarc", f"_dmarc.{name} has {len(found)} policies: none counts", "Keep one."
            )
        if found:
            return _policy(name, found[0])
    do = f"Publish one at _dmarc.{domain}: v=DMARC1; p=none; rua=mailto:<your reports>"
    return fail("dmarc", f"{domain} has no DMARC policy", do)


def _policy(name: str, text: str) -> Check:
    policy = _POLICY.search(text)
    told = f"_dmarc.{name}: {text}"
    if policy is None:
        return fail("dmarc", told, "It states no policy: p=none, p=quarantine or p=reject.")
    if policy.group(1).lower() == "none":
        return warn("dmarc", told, "Enough for Gmail and Yahoo; quarantine keeps others off.")
    return ok("dmarc", told)


def _lineage(domain: str) -> list[str]:
    """The domain and those above it, down to two labels."""
    labels = domain.split(".")
    return [".".join(labels[first:]) for first in range(max(1, len(labels) - 1))]


def _asked(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except OSError as error:
        return unknown(name, str(error), _ASK_AGAIN)
