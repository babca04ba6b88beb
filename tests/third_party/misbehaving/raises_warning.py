"""Raises a warning where it meant to give one."""

raise DeprecationWarning("this module is getting old")
