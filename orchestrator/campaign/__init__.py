"""The chaos campaign: faults on purpose, and the proof that the swarm holds."""
