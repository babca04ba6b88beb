"""One event: the kernels, the networks and what follows from the pair, for one event at a time. It knows no file and no plugin."""
