"""A bidirectional transformer on the elements of an event."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

import quasistatic as qs
from quasistatic.kits.networks import Affine, Clock, dropped, modulated, normal, numbers_of, rows_times
from quasistatic_plugins.transformer import TransformerOptions

Key = jax.Array
AS_MUCH = 16  # symbols counted are at first as much as the one that a token is


def normalised(x: jax.Array) -> jax.Array:
    """Mean 0 and variance 1 over the numbers of a token."""
    x = x - jnp.mean(x, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-5)


def turned(x: jax.Array) -> jax.Array:
    """Pairs of numbers (heads, tokens, 1, numbers) turned by an angle that grows with the place, each pair at a rate of its own."""
    _, tokens, _, numbers = x.shape
    angles = np.arange(tokens)[:, None] * 10_000.0 ** (-np.arange(0, numbers, 2) / numbers)
    cos = np.concatenate([np.cos(angles)] * 2, axis=1)[:, None]
    sin = np.concatenate([-np.sin(angles), np.sin(angles)], axis=1)[:, None]
    first, second = jnp.split(x, 2, axis=-1)
    return x * cos.astype(x.dtype) + jnp.concatenate([second, first], axis=-1) * sin.astype(x.dtype)


class Attention(eqx.Module):
    """Every token reads of all tokens that are there."""

    ask: Affine  # queries, keys and values
    answer: Affine
    heads: int = eqx.field(static=True)
    is_rotary: bool = eqx.field(static=True)

    def __init__(self, width: int, heads: int, is_rotary: bool, numbers: np.random.Generator | None):
        self.ask = Affine(width, 3 * width, numbers)
        self.answer = Affine(width, width, numbers)
        self.heads, self.is_rotary = heads, is_rotary

    def __call__(self, x: Float[Array, "tokens width"], seen: jax.Array | None) -> Float[Array, "tokens width"]:
        """`seen` (tokens,) or (tokens, tokens) says what is read of, by all or by each; by default everything."""
        tokens, width = x.shape
        # heads before tokens, as if they were events of one head: in this order nothing is transposed, which on a CPU is dear
        query, key, value = jnp.moveaxis(self.ask(x).reshape(tokens, 3, self.heads, 1, -1), 0, 2)
        if self.is_rotary:
            query, key = turned(query), turned(key)
        mask = None if seen is None else jnp.broadcast_to(seen, (1, 1, tokens, tokens))
        read = jax.nn.dot_product_attention(query, key, value, mask=mask)
        return self.answer(read.swapaxes(0, 1).reshape(tokens, width))


class Block(eqx.Module):
    """Attention and a hidden layer, beside what they change; time scales and shifts what they read, and gates what they add."""

    attention: Attention
    wide: Affine
    narrow: Affine
    modulation: Affine

    def __init__(self, options: TransformerOptions, numbers: np.random.Generator | None):
        width = options.width
        self.attention = Attention(width, options.heads, options.places == "rotary", numbers)
        self.wide = Affine(width, options.expansion * width, numbers)
        self.narrow = Affine(options.expansion * width, width, numbers)
        self.modulation = Affine(width, 6 * width, None)

    def __call__(
        self, x: Float[Array, "tokens width"], clock: jax.Array, seen: jax.Array | None, share: float, key: Key | None
    ) -> Float[Array, "tokens width"]:
        scale, shift, gate, scale_wide, shift_wide, gate_wide = jnp.split(self.modulation(clock), 6)
        x = x + (1.0 + gate) * self.attention(modulated(normalised(x), scale, shift), seen)
        h = jax.nn.gelu(self.wide(modulated(normalised(x), scale_wide, shift_wide)))
        return x + (1.0 + gate_wide) * self.narrow(dropped(h, share, key))


def up_to_each(rows: jax.Array, there: jax.Array, reverse: bool = False) -> jax.Array:
    """Sums of the rows (places, width) up to each place, or from each on, over those places that are `there` (places,)."""
    return jax.lax.cumsum(jnp.where(there[:, None], rows, 0.0), reverse=reverse)


class Counted(eqx.Module):
    """How many of each symbol there are up to each place, and from it, as numbers of a token.

    A symbol adds something of its own to all tokens from its place onwards, and something to all backwards. Attention, being a
    mean, hardly learns to count: that what was opened is closed, and once.
    """

    onwards: jax.Array  # (symbols, width)
    backwards: jax.Array  # (symbols, width)

    def __init__(self, symbols: int, width: int, numbers: np.random.Generator | None):
        self.onwards = normal(numbers, (symbols, width), AS_MUCH)
        self.backwards = normal(numbers, (symbols, width), AS_MUCH)

    def __call__(self, symbols: jax.Array, there: jax.Array) -> jax.Array:
        """Numbers (places, width) from symbols (places,), of those that are `there` (places,)."""
        return up_to_each(self.onwards[symbols], there) + up_to_each(self.backwards[symbols], there, reverse=True)


class CountedSoFar(eqx.Module):
    """The same for a causal network: counts of the symbols so far, which of them are odd numbers, and how many places follow.

    What comes in pairs of one symbol, as the rings of a molecule or quotation marks do, is open while its count is an odd number.
    """

    onwards: jax.Array  # (symbols, width)
    odd: jax.Array  # (symbols, width)
    following: jax.Array  # (places, width)

    def __init__(self, symbols: int, places: int, width: int, numbers: np.random.Generator | None):
        self.onwards = normal(numbers, (symbols, width), AS_MUCH)
        self.odd = normal(numbers, (symbols, width), 1)
        self.following = normal(numbers, (places, width), 1)

    def __call__(self, symbols: jax.Array, there: jax.Array) -> jax.Array:
        """Numbers (places, width) from symbols (places,), of those that are `there` (places,)."""
        before = jnp.tri(len(symbols), k=-1, dtype=bool) & (symbols[:, None] == symbols) & there
        sign = 1.0 - 2.0 * (jnp.sum(before, axis=1) % 2)  # each symbol adds and takes away in turn
        later = jax.lax.cumsum(there.astype(jnp.int32), reverse=True)
        sums = up_to_each(self.onwards[symbols] + sign[:, None] * self.odd[symbols], there)
        return sums + self.following[jnp.maximum(later - 1, 0)]


class Part(eqx.Module):
    """How one array of the features becomes tokens, and tokens one array of the params.

    A symbol has an embedding, which is also what it is recognised by where params are log-weights of symbols.
    """

    embedding: jax.Array | None  # (symbols, width)
    counted: Counted | CountedSoFar | None
    enter: Affine | None
    leave: Affine
    bias: jax.Array | None
    is_causal: bool = eqx.field(static=True)

    def __init__(
        self,
        reads: jax.ShapeDtypeStruct,
        gives: jax.ShapeDtypeStruct,
        options: TransformerOptions,
        numbers: np.random.Generator | None,
    ):
        width, self.is_causal, self.counted = options.width, options.causal, None
        if jnp.issubdtype(reads.dtype, jnp.integer):
            symbols = gives.shape[-1] + 1
            self.embedding, self.enter = normal(numbers, (symbols, width), 1), None
            if options.counts:
                so_far = (symbols, math.prod(gives.shape[:-1]), width, numbers)
                self.counted = CountedSoFar(*so_far) if options.causal else Counted(symbols, width, numbers)
            self.leave, self.bias = Affine(width, width, None), jnp.zeros(gives.shape[-1])
        else:
            self.embedding, self.enter = None, Affine(reads.shape[-1], width, numbers)
            self.leave, self.bias = Affine(width, gives.shape[-1], None), None

    def read(self, features: jax.Array, there: jax.Array | None = None) -> jax.Array:
        """Tokens (elements, width); by default all elements are `there` (elements,).

        In a causal network each token reads the element before it, the first one the mask, or zeros.
        """
        if self.embedding is not None:
            symbols = features.reshape(-1)
            if self.is_causal:
                symbols = jnp.concatenate([jnp.full(1, len(self.embedding) - 1, symbols.dtype), symbols[:-1]])
            own = self.embedding[symbols]
            if self.counted is None:
                return own
            return own + self.counted(symbols, jnp.ones(symbols.shape, bool) if there is None else there)
        assert self.enter is not None
        numbers = features.reshape(-1, features.shape[-1])
        if self.is_causal:
            numbers = jnp.concatenate([jnp.zeros_like(numbers[:1]), numbers[:-1]])
        return self.enter(numbers)

    def give(self, tokens: jax.Array) -> jax.Array:
        """Params (elements, numbers of one)."""
        out = self.leave(tokens)
        if self.embedding is None or self.bias is None:
            return out
        return rows_times(out / math.sqrt(out.shape[-1]), self.embedding[:-1].T) + self.bias


class SideReader(eqx.Module):
    """One field of the side information as tokens (elements, width)."""

    embedding: jax.Array
    places: jax.Array
    field: qs.AbstractField = eqx.field(static=True)

    def __init__(self, field: qs.AbstractField, width: int, numbers: np.random.Generator | None):
        choices = field.categories if isinstance(field, qs.Categorical) else 1
        self.embedding = normal(numbers, (choices, width), 1)
        self.places = normal(numbers, (field.size, width), 1)
        self.field = field

    def __call__(self, value: jax.Array) -> jax.Array:
        flat = value.reshape(-1)
        own = self.embedding[flat] if isinstance(self.field, qs.Categorical) else flat[:, None] * self.embedding
        return own + self.places


class Transformer(qs.AbstractModel):
    """Pre-norm blocks on tokens; the readout starts at zero.

    Side information comes as tokens before those of the event, but for the part `qs.PADDING`: no token reads of a place where an
    event has nothing. A causal one does not read time: all that it may know of it is how much has been written.
    """

    parts: list[Part]
    places: jax.Array | None  # (tokens, width)
    sides: dict[str, SideReader]
    clock: Clock
    blocks: list[Block]
    options: TransformerOptions = eqx.field(static=True)
    ports: qs.Ports = eqx.field(static=True)

    def __init__(self, options: TransformerOptions, ports: qs.Ports, *, key: Key):
        """Raises ValueError where features and params are not of the same elements, and for a causal one of several parts."""
        numbers, width = numbers_of(key), options.width
        reads, gives = (jax.tree.leaves(layout.tree) for layout in (ports.features, ports.params))
        if [leaf.shape[:-1] for leaf in reads] != [leaf.shape[:-1] for leaf in gives] or not all(leaf.shape for leaf in reads):
            raise ValueError("takes features and params of the same elements; model 'dense' takes any")
        if options.causal and len(reads) > 1:
            raise ValueError("causal: takes events of one part, got several")
        self.parts = [Part(one, other, options, numbers) for one, other in zip(reads, gives, strict=True)]
        tokens = sum(math.prod(leaf.shape[:-1]) for leaf in reads)
        self.places = normal(numbers, (tokens, width), 1) if options.places == "learned" else None
        fields = {} if ports.side is None else {name: each for name, each in ports.side.parts().items() if name != qs.PADDING}
        self.sides = {name: SideReader(field, width, numbers) for name, field in fields.items()}
        self.clock = Clock(None, width, numbers)
        self.blocks = [Block(options, numbers) for _ in range(options.depth)]
        self.options, self.ports = options, ports

    @property
    def is_causal(self) -> bool:
        return self.options.causal

    def __call__(self, features: Any, t: Float[Array, ""], side: qs.Side | None = None, *, key: Key | None = None) -> Any:
        options, shapes = self.options, self.ports.params.shapes
        leaves = jax.tree.leaves(features)
        before, there = self._side(side, sum(math.prod(leaf.shape[:-1]) for leaf in leaves))
        x = jnp.concatenate([part.read(leaf, there) for part, leaf in zip(self.parts, leaves, strict=True)])
        if self.places is not None:
            x = x + self.places
        seen = None if there is None else jnp.concatenate([jnp.ones(sum(map(len, before)), bool), there])
        x = jnp.concatenate([*before, x])
        if options.causal:
            t, earlier = jnp.ones(()), jnp.tri(len(x), dtype=bool)
            seen = earlier if seen is None else earlier & seen
        clock = self.clock(t, None, x.dtype)
        keys = [None] * options.depth if key is None else list(jr.split(key, options.depth))
        for block, key_block in zip(self.blocks, keys, strict=True):
            x = block(x, clock, seen, options.dropout, key_block)
        x = normalised(x)
        ends = np.cumsum([math.prod(shape[:-1]) for shape in shapes])[:-1]
        own = jnp.split(x[len(x) - sum(math.prod(shape[:-1]) for shape in shapes) :], ends)
        given = [part.give(tokens).reshape(shape) for part, tokens, shape in zip(self.parts, own, shapes, strict=True)]
        return jax.tree.unflatten(self.ports.params.structure, given)

    def _side(self, side: qs.Side | None, tokens: int) -> tuple[list[jax.Array], jax.Array | None]:
        """Tokens of the side information, zeros where it is absent, and at which of the `tokens` elements an event has something.

        That is None for an event that has something at every element.
        """
        event = self.ports.side
        if event is None:
            return [], None
        side = qs.Side.absent(event) if side is None else side
        assert side is not None
        values = {name: event.part_of(side.value, name) for name in event.parts()}
        before = [jnp.where(side.present, reader(values[name]), 0.0) for name, reader in self.sides.items()]
        padding = values.get(qs.PADDING)
        if padding is None or padding.size != tokens or len(self.parts) > 1:
            return before, None
        return before, padding.reshape(-1) < 0.5
