"""Scenarios: typed, validated YAML that becomes a game instance."""
