"""One training step, the loop, its options, observers, and which states are kept. It knows no recipe and no plugin."""
