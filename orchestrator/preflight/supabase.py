"""Whether the long-term memory can be used. Owns: reads of PostgREST, by both headers.

Supabase's guides disagree whether a secret key may stand in `Authorization` as well as in `apikey`
(the Python client sends both; ours takes the bearer out again unless the key is a JWT): the project
itself is asked. Then the memory's tables are: whether somebody made them, and whether row security
hides them from this key, which it would do without an error. Refuses an address that would send
the key in clear text, and shows it nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx

from orchestrator.memory.init import VERSION
from orchestrator.memory.wire import is_loopback
from orchestrator.preflight.model import Check, fail, ok, unknown, warn

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
                "supabase_key", "the sandbox's memory is a twin; nobody else's is asked",
                "Nothing here; for real it is tried.",
            )  # fmt: skip
        if not self._url or not self._key:
            return fail("supabase_key", "SUPABASE_URL or SUPABASE_KEY is not set", _KEYS)
        if urlsplit(self._url).scheme != "https" and not is_loopback(self._url):
            return fail("supabase_key", "SUPABASE_URL is not https", "Correct it.")
        if self._key.startswith("sb_publishable_"):
            return fail("supabase_key", "this is a publishable key, bound by row security", _KEYS)
        alone = _status(self._ask({"apikey": self._key}))
        bearer = {"apikey": self._key, "Authorization": f"Bearer {self._key}"}
        both = _status(self._ask(bearer))
        judged = _judged(alone, both, is_jwt=self._key.count(".") == 2)
        if not judged.holds:
            return judged
        headers = {"apikey": self._key} if alone == HTTPStatus.OK else bearer
        return _with_tables(judged, self._ask(headers, "swarm_schema?select=version"))

    def _ask(self, headers: Mapping[str, str], what: str = "") -> httpx.Response | None:
        """The answer; None when nobody answered."""
        try:
            with httpx.Client(
                timeout=self._timeout_s,
                transport=self._wire,
                trust_env=not is_loopback(self._url),
                headers={"User-Agent": _AGENT, **headers},
            ) as client:
                return client.get(f"{self._url}/rest/v1/{what}")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return None  # its words could name the key


def _status(answer: httpx.Response | None) -> int | None:
    return None if answer is None else answer.status_code


def _with_tables(key: Check, answer: httpx.Response | None) -> Check:
    """The key is good; are the tables?"""
    said = f"{key.seen}; the memory's tables: "
    init = "`swarm memory init` prints the SQL for the project's SQL editor."
    try:
        rows = None if answer is None else answer.json()
    except ValueError:
        rows = None
    if isinstance(rows, dict) and rows.get("code") in ("PGRST205", "42P01"):
        return fail("supabase_key", f"{said}nobody has made them ({rows['code']})", init)
    if answer is None or answer.status_code != HTTPStatus.OK or not isinstance(rows, list):
        return unknown("supabase_key", f"{said}{_said(_status(answer))}", "Ask again.")
    versions = [row.get("version") for row in rows if isinstance(row, dict)]
    if not versions:
        return fail("supabase_key", f"{said}row security hides them from this key", _KEYS)
    if VERSION not in versions:
        return fail("supabase_key", f"{said}not of version {VERSION}", init)
    seen = f"{said}version {VERSION}"
    return warn("supabase_key", seen, key.do) if key.do else ok("supabase_key", seen)


def _judged(alone: int | None, both: int | None, *, is_jwt: bool) -> Check:
    told = f"by apikey alone: {_said(alone)}; with Authorization as well: {_said(both)}"
    fine = [status is not None and 200 <= status < 300 for status in (alone, both)]
    if all(fine):
        return ok("supabase_key", told)
    if fine[0] and not is_jwt:
        return ok("supabase_key", told)  # our client sends the first alone
    if fine[0]:
        return warn(
            "supabase_key", told,
            "The Python client sends both headers: use a secret key (sb_secret_...).",
        )  # fmt: skip
    if fine[1] and is_jwt:
        return ok("supabase_key", told)
    if fine[1]:
        return fail("supabase_key", told, "The memory sends a secret key as apikey alone: use the "
                    "legacy service_role key.")  # fmt: skip
    if None in (alone, both) or any(status and status >= 500 for status in (alone, both)):
        return unknown("supabase_key", told, "Is SUPABASE_URL right, and the project not paused?")
    return fail("supabase_key", told, _KEYS)


def _said(status: int | None) -> str:
    return "no answer" if status is None else f"HTTP {status}"
