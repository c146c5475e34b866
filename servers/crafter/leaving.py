"""The unsubscribe link below an e-mail. Owns: when there is one, and its line.

It is made of our own address and the lead's id and address under the hive's salt, never of a
lead's text (P9), and added after the template: an e-mail without it has the same template and the
same features. Without GATEWAY_PUBLIC_URL, or while the policy allows no links to that host, there
is none; the sentence that asks for a reply stands in every e-mail.
"""

from __future__ import annotations

import structlog

from guardrails.errors import BadInput, ConfigError
from guardrails.hive import Hive
from guardrails.model import Lead
from guardrails.policy.case import CompiledPolicy
from guardrails.policy.links import host
from guardrails.unsubscribe import link
from servers.common.settings import ServerSettings

log = structlog.get_logger(__name__)


class LeavingLink:
    """Links for one gateway."""

    def __init__(self, public_url: str, salt: bytes) -> None:
        self._public_url = public_url
        self._salt = salt

    def of(self, lead: Lead) -> str | None:
        """The lead's own link; None for a lead without an address."""
        try:
            return link(self._public_url, self._salt, lead.lead_id, lead.email or "")
        except BadInput:
            return None

    def below(self, body: str, url: str) -> str:
        """`body` with the line."""
        return f"{body}\nOr unsubscribe here: {url}"


def leaving_link(
    public_url: str | None, settings: ServerSettings, policy: CompiledPolicy
) -> LeavingLink | None:
    """Links by which people leave, when they can be given.

    Raises:
        ConfigError: GATEWAY_PUBLIC_URL is no address that can stand in an e-mail.
    """
    if not public_url:
        return None
    where = host(public_url)
    secure = public_url.startswith("https://") or settings.sandbox
    if where is None or not secure or any(mark in public_url for mark in "?# "):
        raise ConfigError(
            "GATEWAY_PUBLIC_URL is not an https address",
            remedy="Give your reverse proxy's or tunnel's, e.g. https://hooks.firm.example.",
        )
    if not policy.links.hit(where):
        log.warning("unsubscribe_link_left_out", why=f"policy.json allows no links to {where}")
        return None
    hive = Hive.open(settings.hive, sandbox=settings.sandbox)
    return LeavingLink(public_url.rstrip("/"), hive.salt())
