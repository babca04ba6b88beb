"""A process that saves checkpoints until it is killed: `python saver.py FOLDER [FILE_SIZE_LIMIT]`."""

import sys
from pathlib import Path

import numpy as np

from quasistatic._storage import checkpoint
from quasistatic.errors import QuasistaticError

folder = Path(sys.argv[1])
if len(sys.argv) > 2:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))

step = max(checkpoint.steps(folder), default=0)
try:
    while True:
        step += 1
        checkpoint.save(folder, step, {"x": np.full(100_000, step, np.int32)}, {"step": step})
        print(step, flush=True)
        checkpoint.prune(folder, keep=2)
except QuasistaticError as error:
    sys.exit(str(error))
