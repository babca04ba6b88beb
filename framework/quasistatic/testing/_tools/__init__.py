"""What the laws are measured with."""
