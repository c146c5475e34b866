"""The one error root. Owns: every error's code, whether it can be retried, and what to do next.

Refuses: bare `Exception` or vendor exceptions crossing a package border; adapters wrap them
here with `raise ... from`.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class Failure(BaseModel):
    """A failure as it travels between processes (beside an MCP tool error)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(description="Stable machine-readable code, e.g. vendor_unavailable.")
    message: str = Field(description="What happened, for a person.")
    remedy: str = Field(description="What to do next.")
    retryable: bool = Field(description="Whether the same call may succeed later unchanged.")
    retry_after_s: float | None = Field(default=None, description="Seconds to wait, when known.")


class SwarmError(Exception):
    """Root of all our errors.

    Args:
        message: what happened, without secrets and without full e-mail bodies.
        remedy: what to do next; each class has a default.
        retry_after_s: seconds to wait before a retry, when known.
    """

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False
    default_remedy: ClassVar[str] = "This is a defect: report it with the audit id and the log."

    def __init__(
        self, message: str, *, remedy: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy or self.default_remedy
        self.retry_after_s = retry_after_s

    def as_failure(self) -> Failure:
        """This error in the form that crosses a process border."""
        return Failure(
            code=self.code,
            message=self.message,
            remedy=self.remedy,
            retryable=self.retryable,
            retry_after_s=self.retry_after_s,
        )


class ConfigError(SwarmError):
    """A file in config/ or an environment variable is missing or invalid."""

    code = "config_invalid"
    default_remedy = "Correct the named file or variable and start again."


class BadInput(SwarmError):
    """What the caller handed over cannot be used; nothing was changed."""

    code = "bad_input"
    default_remedy = "Correct the named field and call again."


class NotFound(SwarmError):
    """The named thing does not exist here."""

    code = "not_found"
    default_remedy = "Check the id and the hive directory (--hive)."


class Stopped(SwarmError):
    """The emergency stop is in force, or its state cannot be read (which counts as in force)."""

    code = "stopped"
    default_remedy = "Find out why; a person lifts it at a terminal: `swarm resume --reason TEXT`."


class Refused(SwarmError):
    """A safety rule said no. Never retried, never overridden by an argument."""

    code = "refused"
    default_remedy = "Read the reasons with `swarm explain`; the rule stands."


class NotYet(SwarmError):
    """A cap or a pause leaves no room now; `not_before` (UTC) is the first moment it may."""

    code = "not_yet"
    retryable = True
    default_remedy = "Nothing to do: it is asked again at that time."

    def __init__(self, message: str, *, not_before: datetime, because: str) -> None:
        super().__init__(message)
        self.not_before = not_before
        self.because = because  # stable code of the cap or pause that frees last


class FateUnknown(SwarmError):
    """The vendor may have done it or not. Never asked for again blindly (P3)."""

    code = "fate_unknown"
    default_remedy = "`swarm sends unknown` lists it; look at the vendor, then resolve it there."


class DiskTrouble(SwarmError):
    """A file of the hive or of the caller cannot be read or written."""

    code = "disk_trouble"
    retryable = True
    default_remedy = "Check disk space and permissions."


class StoreUnavailable(SwarmError):
    """The database cannot be read or written: fail closed."""

    code = "store_unavailable"
    retryable = True
    default_remedy = "Check the database file or server, free disk space and permissions."


class AuditUnwritable(SwarmError):
    """The audit record cannot be put on disk, so the answer is no (P2)."""

    code = "audit_unwritable"
    retryable = True
    default_remedy = "Check disk space and permissions of .hive-mind/audit/."


class AuditBroken(SwarmError):
    """The audit chain does not verify: nothing more is appended to it."""

    code = "audit_broken"
    default_remedy = "Run `swarm audit verify`; it names the first bad record."


class BankUnreadable(SwarmError):
    """The reasoning bank cannot be read or has an unknown schema: deny (P6)."""

    code = "bank_unreadable"
    default_remedy = "Restore .hive-mind/reasoning_bank.json from its backup beside it."


class VendorError(SwarmError):
    """A vendor answered with an error, or not at all. `status` is None when no answer came."""

    code = "vendor_error"
    default_remedy = "See the vendor's status page and the failure's detail."

    def __init__(
        self,
        message: str,
        *,
        vendor: str,
        operation: str,
        status: int | None = None,
        remedy: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, retry_after_s=retry_after_s)
        self.vendor = vendor
        self.operation = operation
        self.status = status


class VendorUnavailable(VendorError):
    """Timeout, connection failure, 429 or 5xx: the same read may succeed later."""

    code = "vendor_unavailable"
    retryable = True
    default_remedy = "The call is retried; if it lasts, check the vendor's status page."


class VendorRejected(VendorError):
    """A 4xx that a retry cannot mend: key, scope, version header or parameters."""

    code = "vendor_rejected"
    default_remedy = "Check the key, its scopes and the request named in the message."


class VendorSchemaDrift(VendorError):
    """The answer parsed, but a field we rely on is missing or has another type."""

    code = "vendor_schema_drift"
    default_remedy = "Compare the answer with the vendor's documentation and mend the adapter."


class BreakerOpen(VendorError):
    """The breaker of this vendor is open: nothing was sent. `retry_after_s` says until when."""

    code = "breaker_open"
    retryable = True
    default_remedy = "Wait: one probe asks the vendor again when the pause is over."


class RateLimited(VendorError):
    """No slot under the vendor's limit within the time there was: nothing was sent."""

    code = "rate_limited"
    retryable = True
    default_remedy = "The lead is tried again later; lower `work.concurrency` if it lasts."


class SpendCapped(VendorError):
    """The daily cap leaves no room for this paid call: nothing was sent (P10)."""

    code = "spend_capped"
    default_remedy = "Wait for tomorrow; a person may raise the cap in config/production.json."


class LeadQuarantined(SwarmError):
    """This lead crashed its server several times in a row and is left alone."""

    code = "lead_quarantined"
    default_remedy = "Look at `swarm failures`, then `swarm quarantine release LEAD`."


class ServerUnavailable(SwarmError):
    """An MCP server process died, hung or cannot be started."""

    code = "server_unavailable"
    retryable = True
    default_remedy = "The queen restarts it; see its log in .hive-mind/logs/."


class TookTooLong(SwarmError):
    """A tool was given up because its time was over; it changed nothing outside this machine."""

    code = "took_too_long"
    retryable = True
    default_remedy = "Call again; ask for less at a time (`limit`) where the tool has pages."


class ResultTooLarge(SwarmError):
    """A tool did its work, and what it would say is more than is sent in one answer."""

    code = "result_too_large"
    default_remedy = "Ask for something narrower."
