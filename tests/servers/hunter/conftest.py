"""A hunter over a directory of its own, and short ways to import a text or a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from servers.hunter.contract import ImportLeads, LeadPage
from servers.hunter.rows import Rules
from servers.hunter.service import Hunter

BANDS = ((10, 19), (20, 50), (51, 500), (501, 1000), (1001, None))
Import = Callable[..., Awaitable[LeadPage]]


@pytest.fixture
def rules() -> Rules:
    return Rules(
        salt=b"s" * 32, sandbox=True, free_mail=frozenset({"gmail.com", "mail.test"}), bands=BANDS
    )


@pytest.fixture
def real_rules(rules: Rules) -> Rules:
    """Outside the sandbox."""
    return Rules(salt=b"s" * 32, sandbox=False, free_mail=rules.free_mail, bands=BANDS)


@pytest.fixture
async def hunter(rules: Rules, tmp_path: Path) -> AsyncIterator[Hunter]:
    service = Hunter(rules, (tmp_path, Path(__file__).parents[2] / "data" / "csv"))
    yield service
    service.close()


@pytest.fixture
def import_text(hunter: Hunter) -> Import:
    async def run(text: str, **more: object) -> LeadPage:
        return await hunter.import_leads(ImportLeads.model_validate({"csv_text": text, **more}))

    return run


@pytest.fixture
def import_bytes(hunter: Hunter, tmp_path: Path) -> Import:
    async def run(content: bytes, name: str = "leads.csv", **more: object) -> LeadPage:
        path = tmp_path / name
        path.write_bytes(content)
        arguments = {"path": str(path), **more}
        return await hunter.import_leads(ImportLeads.model_validate(arguments))

    return run
