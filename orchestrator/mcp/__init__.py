"""The orchestrator as an MCP server: the whole swarm for any AI client, and no way to do harm.

Holds no vendor's key, starts no process and asks no vendor. What is handed in goes into our
database, where the running queen takes it up. Approving needs a person's answer; stopping never
resumes.
"""
