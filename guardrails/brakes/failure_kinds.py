"""What can fail. Owns: the closed set of kinds, and who each of them can happen to."""

from __future__ import annotations

from typing import Literal, get_args

FailureKind = Literal[
    # At a vendor, before or without an answer.
    "timeout",  # no answer, or no connection, within the configured time
    "connection",  # refused, reset, or ended in the middle of the answer
    "dns",  # the host's name has no address
    "tls",  # the certificate does not hold, or there is no common protocol
    # A vendor's answer.
    "server_error",  # 408 or 5xx
    "rate_limit",  # 429: too many requests
    "auth_key",  # the key is missing, wrong, expired or revoked
    "auth_scope",  # the key holds, but not for this scope, account or location
    "version_header",  # the API version we name is missing, unknown or retired
    "quota",  # 402: credits or plan are exhausted
    "duplicate_contact",  # the CRM's setting refuses a second contact with these data
    "rejected",  # any other 4xx, or a redirect
    "malformed",  # a success whose body is cut off or no JSON
    "schema_drift",  # JSON of another form than documented
    "webhook_disabled",  # the vendor no longer delivers events to us
    # Ours.
    "server_died",  # an MCP server process ended during a call
    "server_hung",  # it did not answer in time and was killed
    "tool_crashed",  # a defect in one of our tools
    "lead_crashed",  # a lead failed twice and was closed without a decision of its own
    "store",  # the database cannot be read or written
    "disk",  # a file of the hive cannot be written: space or permissions
    "bank",  # the reasoning bank is unreadable
    "audit",  # the audit cannot be written or does not hold
]
KINDS: frozenset[str] = frozenset(get_args(FailureKind))
