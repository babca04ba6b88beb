"""Healthy, but what it was written for is not this version: a test gives its distribution a range. Never to be imported."""

raise AssertionError("imported, though its distribution wants another version")
