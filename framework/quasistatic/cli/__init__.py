"""The command line. click is imported here and in plugins that add commands, nowhere else."""

from quasistatic.cli._main import main as main
