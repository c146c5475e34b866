"""E-mail addresses in text that is kept. Owns: what looks like one, and taking it out.

Apart from the audit, because every process's log needs it and not every process has a database.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

ADDRESS = re.compile(r"[\w.+%'-]*[\w+%'-]@[\w-]+(?:\.[\w-]+)+")


def without_addresses(value: Any) -> Any:
    """A copy of a JSON-able `value` in which e-mail addresses read `[address]`."""
    if isinstance(value, str):
        return ADDRESS.sub("[address]", value) if "@" in value else value
    if isinstance(value, Mapping):
        return {without_addresses(key): without_addresses(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_addresses(item) for item in value]
    return value
