"""Small language models of Llama's architecture, read from GGUF files and computed with NumPy (extra ``spun``)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]

START: Final = 0
"""The token that SmolLM2 has seen between the texts of its training."""

_LAYER: Final = (
    *("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output"),
    *("ffn_norm", "ffn_gate", "ffn_up", "ffn_down"),
)
"""The matrices of a layer, by the names of GGUF."""


class Sizes(msgspec.Struct, frozen=True):
    """What the file says of the architecture."""

    layers: int
    heads: int
    groups: int
    """Heads of keys and values, each shared by several heads."""
    rotation: float
    """Base of the rotary embedding."""
    epsilon: float


class Surprise(msgspec.Struct, frozen=True):
    """How probable the tokens of a text are."""

    ends: Array
    """Behind which character each token ends."""
    logs: Floats
    """The logarithms of the tokens' probabilities, after those before them."""


class LlamaModel:
    """A language model.

    Args:
        sizes: of the architecture.
        weights: matrices by the names of GGUF, those of layers stacked, so that ``x @ matrix`` is what is meant.
        encode: the numbers of the tokens of a text, and where they end.
    """

    def __init__(
        self, sizes: Sizes, weights: dict[str, Floats], encode: Callable[[str], tuple[list[int], list[int]]]
    ) -> None:
        self.sizes, self._weights, self._encode = sizes, weights, encode

    def surprise(self, text: str, window: int, most: int) -> Surprise:
        """Of the first ``most`` tokens, of which ``window`` are read at a time, each time from anew."""
        tokens, ends = self._encode(text.encode("utf-8", "replace").decode())
        tokens = tokens[:most]
        with _one_thread():
            logs = [self._logs(tokens[at : at + window]) for at in range(0, len(tokens), window)]
        return Surprise(np.array(ends[:most], np.int64), np.concatenate([np.zeros(0, np.float32), *logs]))

    def _logs(self, tokens: list[int]) -> Floats:
        own = self._weights
        scores = self._states([START, *tokens[:-1]]) @ own["token_embd"].T
        scores -= scores.max(axis=1, keepdims=True)
        chosen = scores[np.arange(len(tokens)), tokens]
        logs: Floats = chosen - np.log(np.exp(scores, out=scores).sum(axis=1))
        return logs

    def _states(self, tokens: list[int]) -> Floats:
        own, sizes = self._weights, self.sizes
        x = own["token_embd"][tokens]
        turn = _rotation(len(tokens), own["attn_k"].shape[2] // sizes.groups, sizes.rotation)
        for i in range(sizes.layers):
            layer = {name: own[name][i] for name in _LAYER}
            h = self._normal(x, layer["attn_norm"])
            x = x + self._attention(h, layer, turn) @ layer["attn_output"]
            h = self._normal(x, layer["ffn_norm"])
            gate = h @ layer["ffn_gate"]
            x = x + (gate / (1 + np.exp(-gate)) * (h @ layer["ffn_up"])) @ layer["ffn_down"]
        return self._normal(x, own["output_norm"])

    def _attention(self, h: Floats, layer: dict[str, Floats], turn: tuple[Floats, Floats]) -> Floats:
        count, groups = len(h), self.sizes.groups
        query, key, value = (h @ layer[name] for name in ("attn_q", "attn_k", "attn_v"))
        width = key.shape[1] // groups
        query = _turned(query.reshape(count, -1, width), turn).transpose(1, 0, 2)
        key = _turned(key.reshape(count, groups, width), turn).transpose(1, 2, 0)
        value = value.reshape(count, groups, width).transpose(1, 0, 2)
        shared = self.sizes.heads // groups
        scores = query.reshape(groups, shared * count, width) @ key * np.float32(width**-0.5)
        scores = scores.reshape(groups, shared, count, count)
        scores[..., np.triu(np.ones((count, count), np.bool_), 1)] = -np.inf
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = scores.reshape(groups, shared * count, count) @ value
        joined: Floats = mixed.reshape(self.sizes.heads, count, width).transpose(1, 0, 2).reshape(count, -1)
        return joined

    def _normal(self, x: Floats, weights: Floats) -> Floats:
        normal: Floats = x / np.sqrt(np.square(x).mean(axis=1, keepdims=True) + self.sizes.epsilon) * weights
        return normal.astype(np.float32, copy=False)


def _rotation(count: int, width: int, base: float) -> tuple[Floats, Floats]:
    """Cosines and sines of the angles by which the pairs of numbers of each place are turned."""
    angles = np.arange(count)[:, None] * base ** (-np.arange(0, width, 2) / width)
    return np.cos(angles).astype(np.float32)[:, None], np.sin(angles).astype(np.float32)[:, None]


def _turned(x: Floats, turn: tuple[Floats, Floats]) -> Floats:
    (cosine, sine), even, odd = turn, x[..., 0::2], x[..., 1::2]
    turned = np.stack([even * cosine - odd * sine, even * sine + odd * cosine], axis=-1)
    return turned.reshape(x.shape)


@cache
def _threads() -> Any:
    return _package("threadpoolctl").ThreadpoolController()


def _one_thread() -> Any:
    """A context in which products of matrices take one thread: workers are as many as cores, and more threads wait."""
    return _threads().limit(limits=1, user_api="blas")


_LOCK: Final = Lock()


def llama_model(path: str) -> LlamaModel:
    """The model at ``path``, loaded once per process; ``ValueError`` if there is none that can be used.

    A rule holds only the path, so that it can be sent to workers.
    """
    with _LOCK:
        return _load(path)


@cache
def _load(path: str) -> LlamaModel:
    if not Path(path).is_file():
        raise ValueError(f"model: no file {path!r}; give the path of SmolLM2-135M (.gguf)")
    gguf = _package("gguf")
    try:
        reader = gguf.GGUFReader(path)
    except (ValueError, IndexError, OSError) as error:
        raise ValueError(f"model: {path!r} is no GGUF file, or not all of it: {error}") from error
    fields = {name: field.contents() for name, field in reader.fields.items()}
    if (kind := tuple(map(fields.get, _KIND))) != tuple(_KIND.values()):
        raise ValueError(f"model: {path!r} is {kind}, not {tuple(_KIND.values())}; give SmolLM2-135M (.gguf)")
    sizes = Sizes(
        fields["llama.block_count"],
        fields["llama.attention.head_count"],
        fields["llama.attention.head_count_kv"],
        fields["llama.rope.freq_base"],
        fields["llama.attention.layer_norm_rms_epsilon"],
    )
    read = {
        item.name.removesuffix(".weight"): gguf.dequantize(item.data, item.tensor_type)
        for item in reader.tensors
    }
    weights: dict[str, Floats] = {
        name: np.stack([read.pop(f"blk.{i}.{name}").T for i in range(sizes.layers)]).astype(np.float32)
        for name in _LAYER
    }
    weights |= {name: read[name].astype(np.float32) for name in ("token_embd", "output_norm")}
    return LlamaModel(sizes, weights, _encoder(fields))


_KIND: Final = {
    "general.architecture": "llama",
    "tokenizer.ggml.pre": "smollm",
    "llama.embedding_length": 576,
}
"""What tells SmolLM2-135M from other models, of which the logarithms would mean something else."""


def _encoder(fields: dict[str, Any]) -> Callable[[str], tuple[list[int], list[int]]]:
    package = _package("tokenizers")
    split = package.pre_tokenizers
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    numbers = {token: i for i, token in enumerate(fields["tokenizer.ggml.tokens"])}
    tokenizer = package.Tokenizer(package.models.BPE(vocab=numbers, merges=merges))
    tokenizer.pre_tokenizer = split.Sequence(
        [split.Digits(individual_digits=True), split.ByteLevel(add_prefix_space=False)]
    )

    def encode(text: str) -> tuple[list[int], list[int]]:
        found = tokenizer.encode(text)
        return found.ids, [end for _, end in found.offsets]

    return encode


def _package(name: str) -> Any:
    """An optional package, imported when first needed."""
    try:
        return import_module(name)
    except ImportError as error:
        fix = "pip install 'obelics-builder[spun]'"
        raise ValueError(f"spun_text needs the packages gguf, tokenizers and threadpoolctl: {fix}") from error
