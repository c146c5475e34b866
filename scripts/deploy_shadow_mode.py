"""Day 1 of the go-live plan: the shadow run (`swarm shadow`). See --help."""

from _launch import launch

launch("shadow")
