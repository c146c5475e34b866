"""What Slack is answered to an interaction. Apart: the gateway's door needs no more of Slack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ack:
    """HTTP status, and a JSON body or none."""

    status: int = 200
    body: Mapping[str, Any] | None = None
