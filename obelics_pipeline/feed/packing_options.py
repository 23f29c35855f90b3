"""How documents become sequences of tokens, and the limits that published models were trained with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from obelics_pipeline.errors import ConfigError
from obelics_pipeline.feed.options import OnMissing

Tokenize: TypeAlias = Callable[[str], Sequence[int]]
"""The tokens of a text, without any for its beginning and end."""

ImageTokens: TypeAlias = Callable[[int, int], int]
"""How many tokens an image of a width and a height, in pixels, takes."""

LongDocuments: TypeAlias = Literal["split", "near_images", "truncate", "drop"]
_LONG: Final = ("split", "near_images", "truncate", "drop")

IGNORED: Final = -100
"""The label of what is not learned: image tokens and padding. What PyTorch's cross entropy leaves out."""


class PackOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How samples become sequences of ``length`` tokens. ``ConfigError`` says which value is unusable.

    ``tokenize`` makes tokens of texts; in them the words of ``special`` are broken up first, so that no page can
    write a special token. An image is ``before_image``, ``image_tokens`` times ``image_id`` (a number, or a function
    of width and height), ``after_image``. ``begin`` and ``end`` surround each document, ``pad`` fills up.

    ``max_images`` is for a sequence, ``max_document_images`` for a document, which is dropped above it, as it is below
    ``min_images`` and where more than ``max_run`` images follow each other. Documents of one image are kept with
    the probability ``keep_single``. ``trailing_images`` says whether images stay that no text follows; nothing is
    learned from them. With the probability ``image_first`` images come before the text that they follow.

    What is longer than a sequence is ``split`` between texts and images or within texts, never within images that
    follow each other; or one window of it is taken that begins at an image (``near_images``) or at its beginning
    (``truncate``); or it is dropped. ``packed`` puts several documents into a sequence: each into the one that it fits
    best of ``bins`` open ones.
    """

    tokenize: Tokenize
    image_id: int
    length: int
    image_tokens: int | ImageTokens = 1
    before_image: tuple[int, ...] = ()
    after_image: tuple[int, ...] = ()
    begin: tuple[int, ...] = ()
    end: tuple[int, ...] = ()
    pad: int = 0
    special: tuple[str, ...] = ("<image>",)
    max_images: int | None = None
    max_document_images: int | None = None
    min_images: int = 0
    max_run: int | None = None
    keep_single: float = 1.0
    trailing_images: bool = False
    image_first: float = 0.0
    long: LongDocuments = "split"
    packed: bool = True
    bins: int = 16

    def __post_init__(self) -> None:
        if self.length < 2 + len(self.begin) + len(self.end):
            raise ConfigError(
                f"length is {self.length}; a sequence needs room for a document (presets have one)"
            )
        if self.long not in _LONG:
            raise ConfigError(f"long is {self.long!r}; write one of {', '.join(_LONG)}")
        for name in ("keep_single", "image_first"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it is a probability, from 0 to 1")
        if short := [word for word in self.special if len(word) < 2]:
            raise ConfigError(
                f"special: {short[0]!r} cannot be broken up; write words of two characters or more"
            )
        if self.bins < 1 or (self.max_images is not None and self.max_images < 1):
            raise ConfigError("bins and max_images have to be 1 or more (max_images: None for no limit)")

    def size_of(self, width: int, height: int) -> int:
        """The tokens of an image, with those around it."""
        return len(self.before_image) + self.count_of(width, height) + len(self.after_image)

    def count_of(self, width: int, height: int) -> int:
        """How often ``image_id`` stands for an image."""
        count = self.image_tokens if isinstance(self.image_tokens, int) else self.image_tokens(width, height)
        if count < 1:
            raise ConfigError(
                f"image_tokens gives {count} for {width} × {height}; an image has at least one token"
            )
        return count


class Preset(msgspec.Struct, frozen=True):
    """Limits of a published training: of packing, and what its feed does about missing images."""

    pack: dict[str, Any]
    on_missing: OnMissing = "drop_slot"
    source: str = ""


PRESETS: Final[dict[str, Preset]] = {
    "idefics1": Preset(
        {"length": 1024, "max_run": 2, "min_images": 1, "long": "near_images"},
        source="H. Laurençon et al., OBELICS (2023), IDEFICS: sequences of 1,024 tokens, an image is one of them",
    ),
    "idefics2": Preset(
        {"length": 2048, "image_tokens": 64, "max_images": 7, "max_run": 2, "min_images": 1, "long": "drop"},
        source="H. Laurençon et al., What matters when building vision-language models? (2024): 64 tokens an image; "
        "2,048 tokens, 7 images, nothing longer: a configuration for web documents in the authors' code",
    ),
    "infimm": Preset(
        {"length": 384, "max_images": 6, "min_images": 1, "long": "truncate", "packed": False},
        source="InfiMM (2024): 384 tokens, 6 images",
    ),
    "infimm_792": Preset(
        {"length": 792, "max_images": 6, "min_images": 1, "long": "truncate", "packed": False},
        source="InfiMM (2024): 792 tokens, 6 images",
    ),
    "openflamingo": Preset(
        {
            "length": 256, "max_images": 6, "min_images": 1, "keep_single": 0.5, "long": "truncate", "packed": False
        },
        source="A. Awadalla et al., OpenFlamingo (2023): 256 tokens, 6 images, half of the documents of one image",
    ),
    "mm1": Preset(
        {"length": 4096, "image_tokens": 144, "max_images": 16},
        source="B. McKinzie et al., MM1 (2024): 4,096 tokens, up to 16 images of 144 tokens",
    ),
    "torchtitan": Preset(
        {"length": 4096, "long": "drop", "bins": 8, "trailing_images": True},
        on_missing="drop_document",
        source="torchtitan's multimodal data sets: 8 bins; what is too long or lacks an image is dropped. "
        "The length is ours",
    ),
}  # fmt: skip
"""Where a paper gives no number there is no limit; any value can be replaced. Vocabulary is the caller's."""


def pack_options(preset: str | None, **values: Any) -> PackOptions:
    """The options of a preset with ``values`` put over them; ``ConfigError`` for names that do not exist."""
    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"no preset {preset!r}; known: {', '.join(PRESETS)}")
    limits = PRESETS[preset].pack if preset is not None else {}
    known = PackOptions.__struct_fields__
    if unknown := sorted(set(values) - set(known)):
        raise ConfigError(f"pack: no option {unknown[0]!r}; known: {', '.join(known)}")
    if missing := {"image_id", "length"} - set(limits) - set(values):
        raise ConfigError(f"pack: give {' and '.join(sorted(missing))}")
    return PackOptions(**(limits | values))
