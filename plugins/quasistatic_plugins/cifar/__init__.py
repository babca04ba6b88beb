"""CIFAR-10 and CIFAR-100, in their binary version."""

from __future__ import annotations

import attrs

import quasistatic as qs
from quasistatic.kits import pictures


@attrs.frozen
class CifarOptions(pictures.PictureChoices):
    """CIFAR-10 or CIFAR-100: 60,000 colour pictures, 32x32, from the files of the binary version, with their own test split."""

    path: str = qs.option("", "the folder of data_batch_1.bin and so on, or of train.bin and test.bin", is_path=True)


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    here = "quasistatic_plugins.cifar.source"
    return [
        qs.Component(
            "source",
            "cifar",
            CifarOptions,
            build=f"{here}:build",
            restore=f"{here}:restore",
            expected_failures={"written": "it reads the binary version alone and writes .tif, which the source images reads"},
            references=("Krizhevsky 2009, Learning multiple layers of features from tiny images",),
        )
    ]
