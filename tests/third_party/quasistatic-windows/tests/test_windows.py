import wave

import numpy as np
from quasistatic_windows import WindowsOptions
from quasistatic_windows.source import Windows

import quasistatic as qs


def recording(path):
    """Half a second of a hum in noise, 16 bits."""
    time = np.arange(4000) / 8000
    samples = 8000 * np.sin(2 * np.pi * 440 * time) + np.random.default_rng(0).normal(0, 500, len(time))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return str(path)


def test_windows(tmp_path):
    for law in qs.testing.laws_of("source", Windows(WindowsOptions(recording(tmp_path / "hum.wav"), length=32, hop=16))):
        law()
