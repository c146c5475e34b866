"""A workspace and its mailboxes as Instantly shows them. Owns: names for its numbers."""

from __future__ import annotations

from servers.instantly.contract_reads import MailboxState
from servers.instantly.vendor_pages import Wire, named

ACCOUNT_STATUS = {
    1: "active", 2: "paused", 3: "maintenance",
    -1: "connection_error", -2: "soft_bounce_error", -3: "sending_error",
}  # fmt: skip
WARMUP_STATUS = {
    0: "paused", 1: "active", -1: "banned", -2: "spam_folder_unknown", -3: "suspended",
}  # fmt: skip


class WorkspaceForm(Wire):
    """The workspace that a key is for."""

    name: str


class AccountForm(Wire):
    """One mailbox."""

    email: str
    status: int | None = None
    warmup_status: int
    stat_warmup_score: float | None = None
    daily_limit: int | None = None
    setup_pending: bool

    def state(self) -> MailboxState:
        """As we know it; a number that is new is `unknown(<number>)`."""
        return MailboxState(
            status="not told" if self.status is None else named(ACCOUNT_STATUS, self.status),
            warmup=named(WARMUP_STATUS, self.warmup_status),
            warmup_score=self.stat_warmup_score,
            daily_limit=self.daily_limit,
            setup_pending=self.setup_pending,
        )
