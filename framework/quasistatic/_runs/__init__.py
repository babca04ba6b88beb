"""A run: start it, train it, open it, ask it, and compare it with what made it."""
