"""The door of the GHL twin. Owns: keys, versions, limits and envelopes.

True to the vendor: its kinds of refused token, a `Version` header per endpoint, location binding,
`X-RateLimit-*` headers and 429 without `Retry-After`, 422 whitelists, error envelopes with
`traceId`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from servers.ghl import twin_rules as rules
from servers.ghl.twin_records import LOCATION_ID
from servers.sandbox.asgi import Reply, reply
from servers.sandbox.behaviour import Denial, Window
from servers.sandbox.wire import Call, Endpoint, Refused, Site, Twin

TOKEN = "pit-sandbox-0000-4000-8000-000000000001"  # noqa: S105  (opens only the twin)
READ_ONLY_TOKEN = "pit-sandbox-0000-4000-8000-readonly0001"  # noqa: S105
AGENCY_TOKEN = "pit-sandbox-0000-4000-8000-agency000001"  # noqa: S105
OTHER_TOKEN = "pit-sandbox-0000-4000-8000-otherlocat01"  # noqa: S105

STANDARD = "2021-07-28"
CONVERSATIONS = "2021-04-15"
_VERSIONS = (STANDARD, CONVERSATIONS, "2023-02-21", "v3")
BURST, BURST_S, DAILY = 100, 10.0, 200_000

NO_SCOPE = "The token is not authorized for this scope."
NO_ACCESS = "The token does not have access to this location."
WRONG_TYPE = "Token's user type mismatch!"
_ERRORS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
           422: "Unprocessable Entity", 429: "Too Many Requests",
           503: "Service Unavailable"}  # fmt: skip


class GhlDoor(Twin):
    """What GHL checks before it looks at a request, and the form of its answers."""

    vendor = "ghl"
    denials: Mapping[Denial, tuple[int, str]] = {
        "revoked": (401, "Invalid Private Integration token"),
        "no_scope": (401, NO_SCOPE),
        "wrong_location": (403, NO_ACCESS),
        "agency_key": (401, WRONG_TYPE),
        "company_key": (401, "This authClass type is not allowed to access this scope."),
    }

    def __init__(self, site: Site) -> None:
        self.window = Window(BURST, BURST_S)
        self.today = 0
        super().__init__(site)

    # -- before the request is looked at ------------------------------------------------------

    def guard(self, call: Call, endpoint: Endpoint) -> None:
        token = (call.header(b"authorization") or "").removeprefix("Bearer ").strip()
        known = (TOKEN, READ_ONLY_TOKEN, AGENCY_TOKEN, OTHER_TOKEN)
        if token not in known:
            raise self.refuse(call, 401, "Invalid Private Integration token")
        self._check_version(call, endpoint)
        if token == AGENCY_TOKEN:
            raise self.refuse(call, 401, WRONG_TYPE)
        if token == OTHER_TOKEN:
            raise self.refuse(call, 403, NO_ACCESS)
        if token == READ_ONLY_TOKEN and endpoint.kind == "write":
            raise self.refuse(call, 401, NO_SCOPE)
        self._spend_quota(call)

    def _check_version(self, call: Call, endpoint: Endpoint) -> None:
        version = call.header(b"version")
        if version is None:
            raise self.refuse(call, 401, "version header was not found.")
        only = self.site.behaviour.ghl_versions
        if version not in (only or _VERSIONS):
            text = f"Invalid API version segment '{version}' at position 0"
            raise self.refuse(call, 400, text)
        if not only and version not in (endpoint.version, "v3"):
            raise self.refuse(call, 401, "version header is invalid")

    def _spend_quota(self, call: Call) -> None:
        self.today += 1
        self.window.allowed = self.site.behaviour.ghl_burst
        left = self.window.left(LOCATION_ID, self.now())
        over = left < 0 or self.today > DAILY
        if over and self.site.behaviour.limits(self.vendor):
            raise self.refuse(call, 429, "Too Many Requests")

    def decorate(self, call: Call, answer: Reply) -> None:
        used = self.window.used(LOCATION_ID, self.now())
        answer.headers |= {
            "X-RateLimit-Limit-Daily": str(DAILY),
            "X-RateLimit-Daily-Remaining": str(max(0, DAILY - self.today)),
            "X-RateLimit-Interval-Milliseconds": str(int(BURST_S * 1000)),
            "X-RateLimit-Max": str(self.window.allowed),
            "X-RateLimit-Remaining": str(max(0, self.window.allowed - used)),
        }

    # -- answers ------------------------------------------------------------------------------

    def failure(self, call: Call, status: int, message: str) -> Reply:
        return self.error(call, status, message)

    def error(self, call: Call, status: int, message: str | list[str], **more: Any) -> Reply:
        """The live envelope: `message` is a string, or a list with 422."""
        body: dict[str, Any] = {"statusCode": status, "message": message}
        if name := _ERRORS.get(status):
            body["error"] = name
        return reply(status, body | more | {"traceId": self.trace(call)})

    def refuse(self, call: Call, status: int, message: str | list[str], **more: Any) -> Refused:
        """The same as something to raise."""
        return Refused(self.error(call, status, message, **more))

    def answer_with(self, call: Call, status: int, body: dict[str, Any]) -> Reply:
        """A success with its trace id."""
        return reply(status, body | {"traceId": self.trace(call)})

    def body(self, call: Call, allowed: rules.Body) -> dict[str, Any]:
        """The request's properties, refused with 400 or 422 when they are not allowed."""
        try:
            value = call.json()
        except ValueError:
            raise self.refuse(call, 400, "Unexpected token in JSON at position 0") from None
        if not isinstance(value, dict):
            raise self.refuse(call, 400, "Request body must be an object")
        if offences := allowed.offences(value):
            raise self.refuse(call, 422, offences)
        if "locationId" in allowed.required:
            self.bind(call, value["locationId"])
        return value

    def bind(self, call: Call, location_id: str | None) -> None:
        """Refuse any location but the token's own."""
        if not location_id:
            raise self.refuse(call, 422, ["locationId should not be empty"])
        if location_id != LOCATION_ID:
            raise self.refuse(call, 403, NO_ACCESS)
