"""The long-term memory: a Supabase project behind an outbox, in a process of its own.

See docs/memory.md and docs/adr/0025.
"""
