"""Trying the CRM's key. Owns: which reads stand for which kind of access."""

from __future__ import annotations

from servers.common.access import access_of
from servers.common.contract_access import CheckAccess
from servers.ghl.contract_reads import CrmAccess
from servers.ghl.crm import CrmRecords

# Nobody's: a look-up of it shows that contacts may be read, and shows no contact.
_NOBODY = "nobody@access-check.example"


class AccessTools:
    """The tool that tries the key."""

    def __init__(self, crm: CrmRecords) -> None:
        self._crm = crm
        self._duplicates_allowed: bool | None = None

    async def check_access(self, _args: CheckAccess) -> CrmAccess:
        """One read for each group of scopes."""
        self._duplicates_allowed = None
        found = await access_of(
            {
                "ghl.location": self._location,
                "ghl.contacts": self._contacts,
                "ghl.opportunities": self._opportunities,
                "ghl.workflows": self._workflows,
                "ghl.conversations": self._conversations,
            }
        )
        return CrmAccess(doors=found.doors, duplicates_allowed=self._duplicates_allowed)

    async def _location(self) -> str:
        found = await self._crm.location()
        self._duplicates_allowed = found.duplicates_allowed
        return f"{found.name or 'unnamed'} ({found.id}), time zone {found.time_zone or 'not told'}"

    async def _contacts(self) -> str:
        found = await self._crm.card_of(_NOBODY)
        return "contacts may be read" if found is None else "contacts may be read; odd: one found"

    async def _opportunities(self) -> str:
        return f"{len(await self._crm.pipelines())} pipelines"

    async def _workflows(self) -> str:
        return f"{len(await self._crm.workflows())} workflows"

    async def _conversations(self) -> str:
        await self._crm.conversations_seen()
        return "conversations may be read"
