"""Kits: what sources, networks and reports of one trade share. They use public names of `quasistatic` alone; the core never does."""
