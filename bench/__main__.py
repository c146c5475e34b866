"""Run every benchmark, or those named: `python -m bench [startup] [pipeline] [memory] ...`."""

from __future__ import annotations

import importlib
import sys

ALL = (
    "startup",
    "overhead",
    "mcp_calls",
    "pipeline",
    "memory",
    "memory_outbox",
    "vendor_stack",
    "bank_consult",
    "bank_learn",
    "audit_append",
    "permits",
    "deliver",
    "gateway",
    "clicks",
    "fleet",
    "growth",
)


def main() -> None:
    """Each benchmark prints its own table."""
    for name in sys.argv[1:] or ALL:
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
