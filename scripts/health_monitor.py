"""The health monitor: wakes somebody when the swarm dies (`swarm monitor`). See --help."""

from _launch import launch

launch("monitor")
