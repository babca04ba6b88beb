"""Where events come from, and how tables are read and drawn."""
