"""What became of e-mails: from a vendor's webhook to suppression, lesson and pause."""

from orchestrator.outcomes.handler import Handled, Outcomes

__all__ = ["Handled", "Outcomes"]
