"""Auto-Fix: from clusters of failures to proposals that a person may apply.

It never loosens a safety rule: what a patch may touch is a closed list (`patching`), and nothing
is applied without a person.
"""
