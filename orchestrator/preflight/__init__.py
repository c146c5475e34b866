"""Readiness: the guide's checklists as checks with evidence, and what they entitle to."""
