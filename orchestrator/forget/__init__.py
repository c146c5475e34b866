"""Erasing a person. Owns: that nothing of them is left in the hive but a hashed suppression."""
