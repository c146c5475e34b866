"""The health monitor: what is looked at, when it wakes somebody, and how they are told."""
