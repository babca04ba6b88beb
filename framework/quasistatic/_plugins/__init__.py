"""Who offers what: hooks, loading each plugin in isolation, conflicts. It never imports jax."""
