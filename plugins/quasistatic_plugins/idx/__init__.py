"""Pictures in the IDX format, that of MNIST and its kin."""

from __future__ import annotations

import attrs

import quasistatic as qs
from quasistatic.kits import pictures


@attrs.frozen
class IdxOptions(pictures.PictureChoices):
    """Pictures in IDX files (MNIST, Fashion-MNIST, EMNIST), also .gz; files named t10k or test are the test split."""

    path: str = qs.option("", "the folder of the files, or one file of pictures, such as train-images-idx3-ubyte.gz", is_path=True)


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    here = "quasistatic_plugins.idx.source"
    return [
        qs.Component(
            "source",
            "idx",
            IdxOptions,
            build=f"{here}:build",
            restore=f"{here}:restore",
            expected_failures={"written": "it reads IDX alone and writes .tif, which the source images reads"},
            references=("LeCun, Cortes & Burges, The MNIST database of handwritten digits",),
        )
    ]
