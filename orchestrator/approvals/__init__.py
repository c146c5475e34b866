"""Approvals as people see them. Owns: what a card shows, edits, and the operators' commands."""
