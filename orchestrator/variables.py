"""Every variable the swarm reads. Owns: their purpose, where each is found, and who may see it.

Data only; `environment.py` reads the values. `.env.example` lists the same, held to it by a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Need = Literal["critical", "recommended", "optional"]
_SERVERS = ("hunter", "enricher", "crafter", "guardrails", "ghl", "instantly")
_STORE_SERVERS = (
    *("guardrails", "enricher", "ghl", "instantly"),
    *("gateway", "monitor", "stop", "orchestrator", "memory"),
)


@dataclass(frozen=True)
class Variable:
    """One variable: what it is for, where it is found, and the processes that receive it.

    Args:
        servers: MCP servers, `orchestrator` (the Orchestrator-MCP, not the queen), `memory`,
            `gateway`, `monitor`, `stop` (the emergency stop).
    """

    name: str
    service: str
    need: Need
    purpose: str
    where: str
    servers: tuple[str, ...] = ()
    example: str = ""


VARIABLES: tuple[Variable, ...] = (
    Variable(
        "GHL_PROD_API_KEY", "GoHighLevel", "critical", "Read and write leads in the CRM.",
        "Sub-account > Settings > Private Integrations (scopes: contacts, opportunities, "
        "conversations, workflows, locations).", ("ghl",),
    ),
    Variable(
        "GHL_LOCATION_ID", "GoHighLevel", "critical", "The sub-account to operate in.",
        "Sub-account > Settings > Business Profile > Location ID.", ("ghl", "gateway"),
    ),
    Variable(
        "SUPABASE_URL", "Supabase", "critical", "Long-term memory.",
        "Project > Settings > Data API > Project URL.", ("memory",),
    ),
    Variable(
        "SUPABASE_KEY", "Supabase", "critical", "Database access for the memory.",
        "Project > Settings > API Keys > secret key (sb_secret_...).", ("memory",),
    ),
    Variable(
        "CLAY_API_KEY", "Clay", "critical", "Data enrichment waterfall.",
        "Clay > Settings > Account > API key (public API v0).", ("enricher",),
    ),
    Variable(
        "INSTANTLY_API_KEY", "Instantly", "critical", "E-mail campaigns.",
        "Instantly > Settings > Integrations > API keys (v2, scopes leads, campaigns, emails, "
        "block lists, accounts:read, workspaces:read).", ("instantly",),
    ),
    Variable(
        "SENDER_NAME", "Sender", "critical", "Who signs every e-mail.",
        "The person in whose name the mailbox writes.", ("crafter", "guardrails"),
    ),
    Variable(
        "SENDER_EMAIL", "Sender", "critical", "From address of every e-mail.",
        "A mailbox of your sending domain.", ("crafter", "guardrails"),
    ),
    Variable(
        "SENDER_COMPANY", "Sender", "critical", "Company named in the signature.",
        "Your company's legal or trading name.", ("crafter", "guardrails", "gateway"),
    ),
    Variable(
        "SENDER_POSTAL_ADDRESS", "Sender", "critical",
        "Postal address that the law wants in every commercial e-mail.",
        "Your company's registered or postal address.", ("crafter", "guardrails"),
    ),
    Variable(
        "CLAY_ROUTINE_ID", "Clay", "recommended",
        "Routine that enriches one person; without it the waterfall skips Clay.",
        "Clay > Routines > your routine > API.", ("enricher",),
    ),
    Variable(
        "RB2B_WEBHOOK_SECRET", "RB2B", "recommended", "Validates incoming visitor leads.",
        "Invent a long random text; it becomes part of the webhook's URL.", ("gateway",),
    ),
    Variable(
        "INSTANTLY_WEBHOOK_SECRET", "Instantly", "recommended",
        "Validates replies, bounces and unsubscribes that Instantly reports.",
        "Invent a long random text; it becomes part of the webhook's URL.", ("gateway",),
    ),
    Variable(
        "GHL_WEBHOOK_PUBLIC_KEY", "GoHighLevel", "recommended",
        "Proves that a webhook of your Marketplace app comes from GoHighLevel.",
        "The Ed25519 public key in HighLevel's webhook guide, as one line of base64.",
        ("gateway",),
    ),
    Variable(
        "GHL_WEBHOOK_SECRET", "GoHighLevel", "recommended",
        "Validates webhooks of GoHighLevel workflows, which nobody signs.",
        "Invent a long random text; it becomes part of the webhook's URL.", ("gateway",),
    ),
    Variable(
        "RB2B_API_KEY", "RB2B", "recommended", "Fetches visitor profiles.",
        "RB2B > API partner programme.", ("enricher",),
    ),
    Variable(
        "SLACK_WEBHOOK_URL", "Slack", "recommended", "Alerts to your team.",
        "Slack app > Incoming Webhooks.", ("monitor", "stop"),
    ),
    Variable(
        "SLACK_BOT_TOKEN", "Slack", "recommended", "Click to approve from Slack.",
        "Slack app > OAuth & Permissions > Bot User OAuth Token (xoxb-...).",
        ("gateway", "monitor", "stop"),
    ),
    Variable(
        "SLACK_SIGNING_SECRET", "Slack", "recommended", "Proves that a click comes from Slack.",
        "Slack app > Basic Information > Signing Secret.", ("gateway",),
    ),
    Variable(
        "SLACK_APP_TOKEN", "Slack", "recommended",
        "Socket Mode, for teams without a public URL.",
        "Slack app > Basic Information > App-Level Tokens (xapp-..., connections:write).",
        ("gateway",),
    ),
    Variable(
        "SLACK_APP_ID", "Slack", "recommended", "Clicks of another app are refused.",
        "Slack app > Basic Information > App ID (A...).", ("gateway",),
    ),
    Variable(
        "SLACK_TEAM_ID", "Slack", "recommended", "Clicks from another workspace are refused.",
        "Slack in a browser: app.slack.com/client/T...", ("gateway",),
    ),
    Variable(
        "SLACK_CHANNEL_ID", "Slack", "recommended", "Channel for approval cards and alerts.",
        "Slack > channel > details, at the bottom (C...).", ("gateway", "monitor", "stop"),
    ),
    Variable(
        "SLACK_APPROVER_IDS", "Slack", "recommended",
        "Slack user ids that may approve, separated by commas.",
        "Slack > profile > Copy member ID (U...).", ("gateway", "guardrails", "orchestrator"),
    ),
    Variable(
        "GATEWAY_PUBLIC_URL", "Gateway", "recommended",
        "Where the world reaches the gateway: webhooks, unsubscribe links.",
        "Your reverse proxy's or tunnel's https address.", ("gateway", "crafter", "monitor"),
    ),
    Variable(
        "HEARTBEAT_URL", "Monitoring", "recommended",
        "Dead man's switch: the health monitor calls it while all is well.",
        "A check of an outside watcher (healthchecks.io, Better Stack, Uptime Kuma ...).",
        ("monitor",),
    ),
    Variable(
        "GHL_CUSTOMER_TAGS",
        "GoHighLevel",
        "optional",
        "Tags that mark a customer, separated by commas.",
        "Your CRM's own tags; default: customer.",
        ("ghl",),
    ),
    Variable(
        "GHL_CUSTOMER_TYPES",
        "GoHighLevel",
        "optional",
        "Contact types that mark a customer, separated by commas.",
        "Your CRM's own types; default: customer.",
        ("ghl",),
    ),
    Variable(
        "GHL_BOUNCE_TAGS",
        "GoHighLevel",
        "optional",
        "Tags that mark a bounced address, separated by commas.",
        "Your CRM's own tags; default: bounced, hard bounce and their like.",
        ("ghl",),
    ),
    Variable(
        "CLAY_AUTH_HEADER",
        "Clay",
        "optional",
        "How Clay takes its key: clay-api-key or bearer.",
        "Default clay-api-key; try the other when Clay answers 401.",
        ("enricher",),
    ),
    Variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT", "Monitoring", "optional",
        "Traces over queen and servers, by OTLP over HTTP.",
        "Your collector's address, e.g. http://127.0.0.1:4318; it needs no key of ours.",
        (*_SERVERS, "orchestrator", "memory"),
    ),
    Variable(
        "SWARM_DATABASE_URL", "Database", "optional",
        "PostgreSQL instead of the SQLite file in the hive.",
        "postgresql://user:password@host:5432/name (Supabase: session mode or direct).",
        _STORE_SERVERS,
    ),
    Variable(
        "HIVE_MIND_DIR", "Hive", "optional", "Where the swarm keeps its state.",
        "A directory on a local disk; default .hive-mind.",
    ),
    Variable(
        "SWARM_CONFIG", "Configuration", "optional", "Directory (or production.json) to use.",
        "Default: config/.",
    ),
    Variable(
        "SWARM_SANDBOX_OFFSET_S", "Sandbox", "optional",
        "Seconds that the sandbox's clock is ahead: to see tomorrow's sending window today.",
        "Refused without --sandbox.",
    ),
    Variable(
        "SUPABASE_DATABASE_URL", "Supabase", "optional",
        "`swarm memory init` makes the memory's tables there by itself.",
        "Project > Connect: postgresql://... (session mode or direct). No process gets it.",
    ),
    Variable(
        "SWARM_SANDBOX_MEMORY", "Sandbox", "optional",
        "1: the sandbox has a long-term memory too, in its own twin of Supabase.",
        "Default 0. Without --sandbox there always is one.",
    ),
    *(
        Variable(f"{vendor}_BASE_URL", service, "optional", "Another address for this vendor.",
                 "A proxy, recorder or twin; default: the vendor's own.", servers)
        for vendor, service, servers in (
            ("GHL", "GoHighLevel", ("ghl",)), ("INSTANTLY", "Instantly", ("instantly",)),
            ("CLAY", "Clay", ("enricher",)), ("RB2B", "RB2B", ("enricher",)),
            ("SLACK", "Slack", ("gateway", "monitor", "stop")),
            ("GDELT", "GDELT", ("enricher",)), ("GOOGLE_NEWS", "Google News", ("enricher",)),
        )
    ),
)  # fmt: skip
