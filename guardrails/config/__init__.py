"""Configuration: data in config/, validated at start. Owns where it is found and how it fails."""

from guardrails.config.loader import config_dir, config_path, load_config, policy_version
from guardrails.config.models import Config

__all__ = ["Config", "config_dir", "config_path", "load_config", "policy_version"]
