"""Who writes in the sandbox, for those who must agree on it. Owns: one address, of nobody."""

from __future__ import annotations

SANDBOX_MAILBOX = "robin.hale@chiefaiofficer.example"
SANDBOX_POSTAL_ADDRESS = "12 Sample Street, Springfield, IL 62701, USA"
