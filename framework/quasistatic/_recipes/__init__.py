"""From a TOML file to the things that it names."""
