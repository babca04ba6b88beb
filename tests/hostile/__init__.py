"""Hostile files of every kind that is read, and how each ends."""
