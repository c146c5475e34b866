"""Whether the long-term memory's key works. Owns: one read of PostgREST's root, by both headers.

Supabase's guides disagree whether a secret key may stand in `Authorization` as well as in `apikey`
(the Python client sends both): the project itself is asked. Refuses an address that would send the
key in clear text, and shows it nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from orchestrator.preflight.model import Check, fail, ok, unknown, warn
from orchestrator.slack.wire import is_loopback

_KEYS = "Supabase: Project Settings, API Keys: a secret key (sb_secret_...)."
_AGENT = "chiefaiofficer-swarm/0.1"  # a browser's would be refused with a secret key


class SupabaseProbe:
    """One project.

    Args:
        wire: stands in for the network.
    """

    def __init__(
        self,
        values: Mapping[str, str],
        *,
        sandbox: bool,
        wire: httpx.BaseTransport | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self._url = (values.get("SUPABASE_URL") or "").rstrip("/")
        self._key = values.get("SUPABASE_KEY") or ""
        self._sandbox = sandbox
        self._wire = wire
        self._timeout_s = timeout_s

    def check(self) -> Check:
        """Blocks; never raises."""
        if self._sandbox:
            return warn(
                "supabase_key", "the sandbox has no Supabase, and asks nobody else's",
                "Nothing here; for real it is tried.",
            )  # fmt: skip
        if not self._url or not self._key:
            return fail("supabase_key", "SUPABASE_URL or SUPABASE_KEY is not set", _KEYS)
        if urlsplit(self._url).scheme != "https" and not is_loopback(self._url):
            return fail("supabase_key", "SUPABASE_URL is not https", "Correct it.")
        if self._key.startswith("sb_publishable_"):
            return fail("supabase_key", "this is a publishable key, bound by row security", _KEYS)
        alone = self._ask({"apikey": self._key})
        both = self._ask({"apikey": self._key, "Authorization": f"Bearer {self._key}"})
        return _judged(alone, both)

    def _ask(self, headers: Mapping[str, str]) -> int | None:
        """The status; None when nobody answered."""
        try:
            with httpx.Client(
                timeout=self._timeout_s,
                transport=self._wire,
                trust_env=not is_loopback(self._url),
                headers={"User-Agent": _AGENT, **headers},
            ) as client:
                return client.get(f"{self._url}/rest/v1/").status_code
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return None  # its words could name the key


def _judged(alone: int | None, both: int | None) -> Check:
    told = f"by apikey alone: {_said(alone)}; with Authorization as well: {_said(both)}"
    fine = [status is not None and 200 <= status < 300 for status in (alone, both)]
    if all(fine):
        return ok("supabase_key", told)
    if fine[0]:
        return warn(
            "supabase_key", told,
            "The Python client sends both headers: upgrade it, or use a legacy service_role key.",
        )  # fmt: skip
    if fine[1]:
        return ok("supabase_key", told)
    if None in (alone, both) or any(status and status >= 500 for status in (alone, both)):
        return unknown("supabase_key", told, "Is SUPABASE_URL right, and the project not paused?")
    return fail("supabase_key", told, _KEYS)


def _said(status: int | None) -> str:
    return "no answer" if status is None else f"HTTP {status}"
