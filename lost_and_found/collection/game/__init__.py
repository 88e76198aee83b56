"""Collect street views by playing a game in a real browser; the only place that imports playwright."""
