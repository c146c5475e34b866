"""Trying Instantly's key. Owns: which reads stand for which kind of access, and the mailbox."""

from __future__ import annotations

from collections import Counter

from servers.common.access import access_of
from servers.instantly.contract_reads import CheckWorkspace, MailboxState, WorkspaceAccess
from servers.instantly.ports import Platform

# Nobody's: a look-up of it shows that leads and the block list may be read, and shows nobody.
_NOBODY = "nobody@access-check.example"
_NO_CAMPAIGN = "00000000-0000-4000-8000-000000000000"


class AccessService:
    """The tool that tries the key."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def check_access(self, args: CheckWorkspace) -> WorkspaceAccess:
        """One read for each group of scopes, and the mailbox."""
        seen: list[MailboxState] = []

        async def mailbox() -> str:
            found = await self._platform.mailbox(args.mailbox)
            if found is None:
                return "Instantly has no such mailbox"
            seen.append(found)
            return f"{found.status}, warm-up {found.warmup}"

        found = await access_of(
            {
                "instantly.workspace": self._platform.workspace,
                "instantly.campaigns": self._campaigns,
                "instantly.leads": self._leads,
                "instantly.block_list": self._block_list,
                "instantly.mailbox": mailbox,
            }
        )
        return WorkspaceAccess(doors=found.doors, mailbox=seen[0] if seen else None)

    async def _campaigns(self) -> str:
        states = Counter(one.shown.status for one in await self._platform.all_campaigns())
        told = ", ".join(f"{count} {status}" for status, count in sorted(states.items()))
        return f"campaigns: {told or 'none'}"

    async def _leads(self) -> str:
        await self._platform.leads_in(_NO_CAMPAIGN, _NOBODY)
        return "leads may be read"

    async def _block_list(self) -> str:
        await self._platform.blocked(_NOBODY)
        return "the block list may be read"
