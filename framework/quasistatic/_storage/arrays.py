"""Named arrays as bytes, and back: the format of safetensors, in which nothing can run."""

from __future__ import annotations

from collections.abc import Mapping

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

from quasistatic.errors import CheckpointError

_DTYPES = {
    "F64": np.dtype("float64"),
    "F32": np.dtype("float32"),
    "F16": np.dtype("float16"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype("int64"),
    "I32": np.dtype("int32"),
    "I16": np.dtype("int16"),
    "I8": np.dtype("int8"),
    "U64": np.dtype("uint64"),
    "U32": np.dtype("uint32"),
    "U16": np.dtype("uint16"),
    "U8": np.dtype("uint8"),
    "BOOL": np.dtype("bool"),
}


def encode(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Raises CheckpointError for a dtype that cannot be kept, by name."""
    for name, array in arrays.items():
        if array.dtype not in _DTYPES.values():
            kept = ", ".join(dtype.name for dtype in _DTYPES.values())
            raise CheckpointError(f"{name}: {array.dtype} cannot be kept, only {kept}")
    return safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in arrays.items()})


def decode(data: bytes) -> dict[str, np.ndarray]:
    """Raises ValueError for what `encode` does not write."""
    try:
        views = safetensors.deserialize(data)
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error
    arrays = {}
    for name, view in views:
        if view["dtype"] not in _DTYPES:
            raise ValueError(f"{name}: unknown dtype {view['dtype']}")
        arrays[name] = np.frombuffer(view["data"], _DTYPES[view["dtype"]]).reshape(view["shape"])
    return arrays
