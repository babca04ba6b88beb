"""python -m quasistatic"""

from quasistatic.cli import main

main(prog_name="quasistatic")
