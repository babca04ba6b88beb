"""python -m quasistatic"""

import os
import sys

if sys.path and sys.path[0] == os.getcwd():  # where Python puts it: what lies in the working folder is not named by that
    del sys.path[0]

from quasistatic.cli import main

main(prog_name="quasistatic")
