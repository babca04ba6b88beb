"""Positive numbers: two plugins, each in a package of its own, that import nothing heavy until something is built."""
