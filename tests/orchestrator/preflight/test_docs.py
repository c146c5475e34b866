"""docs/go-live.md says what each line of a preflight means."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.preflight.model import SPECS

PAGE = (Path(__file__).parents[3] / "docs" / "go-live.md").read_text()


@pytest.mark.parametrize("name", SPECS)
def test_every_check_is_explained_with_the_mode_that_needs_it(name: str) -> None:
    lines = [line for line in PAGE.splitlines() if f"`{name}`" in line]
    assert lines
    needed = SPECS[name].needed_for
    assert any((needed.value if needed else "–") in line for line in lines)
