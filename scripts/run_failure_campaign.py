"""Day 2 of the go-live plan: the failure campaign (`swarm chaos`). See --help."""

from _launch import launch

launch("chaos")
