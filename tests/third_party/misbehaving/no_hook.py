"""An ordinary module."""
