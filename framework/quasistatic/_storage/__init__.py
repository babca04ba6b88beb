"""Files that are whole or not there: durable writing, the run folder, checkpoints."""
