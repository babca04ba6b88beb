"""The way back from noise to pictures, as an animation, as a strip, and as the sampler that keeps a few states of it."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

from quasistatic._data.draw import draw_part
from quasistatic._data.source import AbstractSource
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State, Time
from quasistatic._process.grid import Steps
from quasistatic._process.sampler import AbstractSampler, Info, SamplerState
from quasistatic._process.tree import count_of, take

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRAMES = 48  # of an animation, at most
PAUSE, HOLD = 80, 2000  # milliseconds of a frame, and of the last one
WIDE = 320  # pixels of a picture on a screen, at least


class Filmed(AbstractSampler):
    """Another sampler, which makes the same events of the same keys, and keeps its states at a few times.

    `finish` gives the event and its states, stacked in the order of `kept`: rising numbers of times, the first of which is 0.
    """

    sampler: AbstractSampler
    kept: tuple[int, ...] = eqx.field(static=True)
    steps: int = eqx.field(static=True)

    @property
    def states(self) -> int:
        return 1 + len(self.kept)

    @property
    def order(self) -> int:
        return self.sampler.order

    @property
    def deviations(self) -> tuple[str, ...]:
        return self.sampler.deviations

    @property
    def calls_per_step(self) -> int:
        return self.sampler.calls_per_step

    def check(self, diffusion: Diffusion) -> None:
        self.sampler.check(diffusion)

    def times(self, diffusion: Diffusion, steps: Steps = None) -> Float[Array, " T"]:
        return self.sampler.times(diffusion, steps)

    def init(self, diffusion: Diffusion, *, key: Key) -> SamplerState:
        own = self.sampler.init(diffusion, key=key)
        film = jax.tree.map(lambda z: jnp.broadcast_to(z, (len(self.kept), *z.shape)), self.sampler.position(own))
        return own, film, jnp.asarray(self.steps - 1)

    def step(self, diffusion: Diffusion, state: SamplerState, s: Time, t: Time, *, key: Key) -> tuple[SamplerState, Info]:
        own, film, number = state
        own, info = self.sampler.step(diffusion, own, s, t, key=key)
        # what comes later stands in the place of what came earlier, until the time that is kept
        place = jnp.searchsorted(jnp.asarray(self.kept), number - 1, side="right") - 1
        film = jax.tree.map(lambda frames, z: frames.at[place].set(z), film, self.sampler.position(own))
        return (own, film, number - 1), info

    def finish(self, diffusion: Diffusion, state: SamplerState, t: Time, *, key: Key) -> tuple[State, State]:
        own, film, _ = state
        return self.sampler.finish(diffusion, own, t, key=key), film

    def position(self, state: SamplerState) -> State:
        return self.sampler.position(state[0])


def spread(steps: int, count: int) -> tuple[int, ...]:
    """Up to `count` of the numbers of `steps` times, evenly, with the first and the last."""
    return tuple(np.unique(np.linspace(0, steps - 1, count).round().astype(int)).tolist())


def sheet(source: AbstractSource, xs: State, bounds: tuple[float, float] | None = None) -> Image.Image:
    """Pictures (N, ...) side by side, a pixel for a pixel, in the greys and colours of their source; `bounds` as `drawn_range`."""
    return _pixels(_drawn(source, xs, Figure().add_subplot()), bounds)


def drawn_range(source: AbstractSource, xs: State) -> tuple[float, float]:
    """The lowest and the highest value that the drawing of these pictures can tell apart."""
    return _drawn(source, xs, Figure().add_subplot()).get_clim()


def cells(source: AbstractSource, xs: State, bounds: tuple[float, float]) -> list[np.ndarray]:
    """Pictures (N, ...) one by one, each (height, width, 3) from 0 to 255."""
    axes = Figure().add_subplot()  # one for all: it costs ten times what is drawn on it
    alone = (take(xs, slice(number, number + 1)) for number in range(count_of(xs)))
    return [np.array(_pixels(_drawn(source, x, axes), bounds)) for x in alone]


def _drawn(source: AbstractSource, xs: State, axes: Axes) -> AxesImage:
    """What the source draws on these axes, which are left without it."""
    draw_part(source, xs, "", axes)
    image, *others = axes.images
    for drawn in (image, *others):
        drawn.remove()
    return image


def _pixels(image: AxesImage, bounds: tuple[float, float] | None) -> Image.Image:
    if bounds is not None:
        image.set_clim(*bounds)
    pixels = Image.fromarray(image.to_rgba(np.ma.asarray(image.get_array()), bytes=True))
    white = Image.new("RGBA", pixels.size, "white")
    return Image.alpha_composite(white, pixels).convert("RGB")


def animation(source: AbstractSource, film: State, xs: State, form: str) -> bytes:
    """A 'gif' or 'webp' file of samples xs (N, ...) as they come out of the noise; `film` (N, k, ...) are their earlier states."""
    bounds = drawn_range(source, xs)
    count = jax.tree.leaves(film)[0].shape[1]
    states = [jax.tree.map(lambda zs, k=k: zs[:, k], film) for k in reversed(range(count))]
    sheets = [sheet(source, each, bounds) for each in (*states, xs)]
    if form == "gif":  # one set of 256 colours for all frames: no flicker
        palette = Image.fromarray(np.concatenate([np.asarray(each) for each in sheets])).quantize(256)
        sheets = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in sheets]
    frames = [_enlarged(each) for each in sheets]
    buffer = io.BytesIO()
    pauses = [PAUSE] * count + [HOLD]
    frames[0].save(buffer, form, save_all=True, append_images=frames[1:], duration=pauses, loop=0, lossless=True)
    return buffer.getvalue()


def _enlarged(image: Image.Image) -> Image.Image:
    factor = max(1, math.ceil(WIDE / image.width))
    return image.resize((factor * image.width, factor * image.height), Image.Resampling.NEAREST)
