"""How the gateway's process is started. Owns: its command line and its environment (P8).

For `swarm gateway`, which becomes it, and for whoever starts it as a child. It gets its own
variables and no vendor's key but those that prove who is speaking.
"""

from __future__ import annotations

import os
import sys

from guardrails.config import config_dir
from orchestrator.environment import Environment
from orchestrator.gateway.ground import Options

# What Python, the terminal and a company's proxy need; no key is among them.
_INHERITED = (
    *("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TZ", "USER", "PYTHONPATH"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"),
)


def command(options: Options, *, as_json: bool) -> list[str]:
    """`python -P -m orchestrator.gateway …`; -P keeps the current directory off the import path."""
    arguments = ["--hive", str(options.hive.absolute())]
    arguments += ["--config", str(options.config_path or config_dir())]
    if options.sandbox:
        arguments.append("--sandbox")
    if options.host is not None:
        arguments += ["--host", options.host]
    if options.port is not None:
        arguments += ["--port", str(options.port)]
    if as_json:
        arguments.append("--json")
    return [sys.executable, "-P", "-m", "orchestrator.gateway", *arguments]


def variables(environment: Environment) -> dict[str, str]:
    """The whole environment of the process."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    own = environment.for_server("gateway")
    if offset := environment.values.get("SWARM_SANDBOX_OFFSET_S"):
        own["SWARM_SANDBOX_OFFSET_S"] = offset
    return inherited | own
