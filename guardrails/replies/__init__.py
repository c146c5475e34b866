"""What an answer says. Pure: text and rules in, a class out; nothing is sent or stored here."""

from guardrails.config.models.replies import ReplyClass
from guardrails.replies.reader import Mail, Reading, ReplyReader

__all__ = ["Mail", "Reading", "ReplyClass", "ReplyReader"]
