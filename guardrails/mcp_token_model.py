"""Who may speak to a server over HTTP. Owns: the two scopes, and what is known of a token."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Scope(StrEnum):
    """What its holder may do. `operate` includes `read`."""

    READ = "read"  # tools that change nothing and cost nothing; resources and prompts
    OPERATE = "operate"  # every tool; permits and people are asked as ever

    def covers(self, needed: Scope) -> bool:
        """Whether who has this may do what needs `needed`."""
        return self is Scope.OPERATE or needed is Scope.READ


class Token(BaseModel):
    """A token as it is kept: never the text itself, only its digest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{8}$")
    name: str = Field(min_length=1, max_length=60)
    scope: Scope
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the text, hex.")
    created: AwareDatetime
    expires: AwareDatetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether its days are over."""
        return self.expires is not None and now >= self.expires
