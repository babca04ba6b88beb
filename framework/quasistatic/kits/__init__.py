"""Kits: what sources, networks and reports of one trade share. They use public names alone; the core knows none."""
