"""What a failed call says to a program."""

from __future__ import annotations

from typing import Any

from servers.common.contract import FAILURE_META


def failure_of(result: Any) -> dict[str, Any]:
    """The `Failure` of a result that has to be one: nothing structured, and words for a model."""
    assert result.is_error
    assert result.structured_content is None
    assert result.content[0].text
    found: dict[str, Any] = result.meta[FAILURE_META]
    return found
