"""Slack: cards to approve, clicks taken in, alerts to the team."""
