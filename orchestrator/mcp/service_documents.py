"""Documents a client may read. Owns: bank, audit, decisions and configuration as JSON.

Nothing secret is in them: configuration names no key, and the audit names people by salted ids.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections import deque
from collections.abc import Mapping
from typing import Any

from guardrails.audit.records import Record
from guardrails.bank import describe
from guardrails.config import load_config
from guardrails.config.loader import policy_version
from guardrails.errors import BadInput, NotFound
from guardrails.explain import explain
from guardrails.replay import find_record
from orchestrator.mcp.parts import Parts

PAGE = 100  # audit records, or items of the bank
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_FIRST = "Pages begin at 1."


class DocumentService:
    """Over open parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def bank(self) -> str:
        """The first page. Raises BankUnreadable."""
        return await self.bank_page({"page": "1"})

    async def bank_page(self, values: Mapping[str, str]) -> str:
        """Items with their effect today: hard rules, learned failures, golden patterns.

        Raises:
            BadInput: no page number.
            NotFound: there is no such page.
            BankUnreadable: there is nothing to be told.
        """
        page = values["page"]
        version, rows = await asyncio.to_thread(self._bank)
        items = rows[(start := _start(page)) : start + PAGE]
        if start and not items:
            raise NotFound(f"the bank has no page {page}", remedy=_FIRST)
        told = {"version": version, "items_of_the_bank": len(rows), "page": int(page)}
        return _text(told | {"items": items})

    async def audit_today(self) -> str:
        """The newest records of today. Raises AuditBroken."""
        day = f"{self._parts.clock():%Y-%m-%d}"
        newest, number = await asyncio.to_thread(self._newest, day)
        return _text({"day": day, "records_of_the_day": number, "records": newest})

    async def audit_page(self, values: Mapping[str, str]) -> str:
        """One page of a day, the oldest first; pages begin at 1.

        Raises:
            BadInput: no day, or no page number.
            NotFound: the day has no such page.
        """
        day, page = values["day"], values["page"]
        if not _DAY.fullmatch(day):
            raise BadInput("hive://audit/{day}/{page}: a day is written YYYY-MM-DD")
        found = await asyncio.to_thread(self._page, day, _start(page))
        if not found:
            raise NotFound(f"{day} has no audit page {page}", remedy=_FIRST)
        return _text({"day": day, "page": int(page), "records": found})

    async def decision(self, values: Mapping[str, str]) -> str:
        """One record, whole, and told. Raises NotFound, AuditBroken."""
        record = await asyncio.to_thread(find_record, self._parts.audit, values["id"])
        return _text({"text": explain(record), "record": record})

    async def configuration(self) -> str:
        """production.json as it is now. Raises ConfigError."""
        config = await asyncio.to_thread(load_config, self._parts.config_path)
        production = config.production.model_dump(mode="json")
        return _text({"policy_version": policy_version(config), "production": production})

    def _bank(self) -> tuple[str, list[Any]]:
        bank = self._parts.bank
        rows = [row.model_dump(mode="json") for row in describe(bank, self._parts.clock())]
        return bank.version, rows

    def _newest(self, day: str) -> tuple[list[Record], int]:
        """The last page of a day, and how many records it has; one page in memory."""
        newest: deque[Record] = deque(maxlen=PAGE)
        number = 0
        for record in self._parts.audit.iter_records(day):
            newest.append(record)
            number += 1
        return list(newest), number

    def _page(self, day: str, start: int) -> list[Record]:
        return list(itertools.islice(self._parts.audit.iter_records(day), start, start + PAGE))


def _start(page: str) -> int:
    """Where a page begins. Raises BadInput: it is no page number."""
    if not page.isascii() or not page.isdigit() or len(page) > 9 or int(page) < 1:
        raise BadInput("this is no number of a page", remedy=_FIRST)
    return (int(page) - 1) * PAGE


def _text(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False)
