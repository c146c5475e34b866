"""What a diagnosis says. Owns: the form of its answer, and reading the configuration for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from guardrails.brakes.failures import Cluster
from orchestrator.fixes.model import Patch, PatchOp

NAMES = {
    "ghl": "GoHighLevel",
    "instantly": "Instantly",
    "clay": "Clay",
    "rb2b": "RB2B",
    "gdelt": "GDELT",
    "google_news": "Google News",
}
KEYS = {
    "ghl": "GHL_PROD_API_KEY",
    "instantly": "INSTANTLY_API_KEY",
    "clay": "CLAY_API_KEY",
    "rb2b": "RB2B_API_KEY",
}
NO_PATCH = "there is no patch: a person must act"


@dataclass(frozen=True)
class Setting:
    """Where a diagnosis is made: production.json as it is, and as it was delivered."""

    document: Mapping[str, Any]
    packaged: Mapping[str, Any]

    def at(self, path: str) -> Any:
        """The value at a pointer; None when there is none."""
        return _at(self.document, path)

    def delivered(self, path: str) -> Any:
        """The same of the packaged file."""
        return _at(self.packaged, path)


@dataclass(frozen=True)
class Finding:
    """One diagnosis of one cluster. Without a patch, `steps` say what a person does."""

    diagnosis: str
    subject: str
    title: str
    text: str
    expected: str
    patch: Patch = ()
    steps: tuple[str, ...] = ()
    quarantine: str | None = None
    not_measurable: str | None = None


Diagnosis = Callable[[Cluster, Setting], Finding | None]


@dataclass(frozen=True)
class Registered:
    """A diagnosis and how many failures it takes before it is made."""

    name: str
    diagnose: Diagnosis
    at_least: int


def vendor_name(cluster: Cluster) -> str:
    """As people call it."""
    return NAMES.get(cluster.vendor or "", cluster.vendor or cluster.server)


def said(cluster: Cluster, pattern: str) -> bool:
    """Whether a sample detail matches, in any letter case."""
    return any(re.search(pattern, detail, re.IGNORECASE) for detail in cluster.details)


def replacing(setting: Setting, path: str, new: Any) -> Patch:
    """The operations that put `new` at `path`, where something stands."""
    old = setting.at(path)
    return (
        PatchOp(op="test", path=path, value=old),
        PatchOp(op="replace", path=path, value=new),
    )


def _at(document: Any, path: str) -> Any:
    for name in path.split("/")[1:]:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document
