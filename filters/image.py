"""Rules on images: how many, and of what kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

import msgspec

from filters.base import Bounds, Breach, check_bounds, outside
from filters.subjects import Content, Picture
from obelics_pipeline import image
from obelics_pipeline.config import suggestion
from obelics_pipeline.document import ImageNode
from obelics_pipeline.errors import ConfigError
from obelics_pipeline.scorer import UNSCORED, unsafe

FORMATS: Final = tuple(sorted(map(str.lower, image.FORMATS)))
"""Formats that a rule can accept: those that a fetched image can have."""


class ImageCount(Bounds, frozen=True):
    """Keep documents of ``min`` to ``max`` images; the same image twice counts twice."""

    measures: ClassVar[str] = "image_count"

    def measure(self, content: Content, /) -> int:
        """The number of images."""
        return content.image_count


class Format(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keep images whose bytes are of a format in ``accept``."""

    accept: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.accept:
            raise ValueError("accept is empty; name the formats to keep, or leave out the rule")
        for name in self.accept:
            if name not in FORMATS:
                raise ValueError(f"accept: no format {suggestion(name, FORMATS)}")

    def measure(self, picture: Picture, /) -> str:
        """The format's name."""
        return picture.format

    def judge(self, value: str, /) -> Breach | None:
        """Whether the format is ``not in`` the accepted ones."""
        return None if value in self.accept else Breach(None, None, "not in")


class _Sides(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        check_bounds(self.min, self.max)

    def judge(self, value: tuple[int, ...], /) -> Breach | None:
        """The first side that is outside of the bounds."""
        breaches = (outside(side, self.min, self.max) for side in value)
        return next((breach for breach in breaches if breach is not None), None)


class Size(_Sides, frozen=True):
    """Keep images whose width and height are both ``min`` to ``max`` pixels."""

    def measure(self, picture: Picture, /) -> tuple[int, ...]:
        """Width and height."""
        return (picture.width, picture.height)


class RenderedSize(_Sides, frozen=True):
    """Keep images that the page shows with sides of ``min`` to ``max`` CSS pixels; unknown sides pass.

    The one size that is known before an image is fetched.
    """

    def measure(self, node: ImageNode, /) -> tuple[int, ...]:
        """The sides that the page tells."""
        sides = (node.rendered_width, node.rendered_height)
        return tuple(side for side in sides if side is not None)


class AspectRatio(Bounds, frozen=True):
    """Keep images whose width divided by height is ``min`` to ``max``."""

    def measure(self, picture: Picture, /) -> float:
        """Width / height; an image without height has none and is infinitely wide."""
        return picture.width / picture.height if picture.height else float("inf")


class PictureFrequency(Bounds, frozen=True):
    """Keep images whose picture is on ``min`` to ``max`` documents, whatever its addresses are.

    OBELICS counts addresses, with a max of 10 (see ``dedup.image_frequency``).
    """

    def measure(self, picture: Picture, /) -> int:
        """How many documents show it."""
        return picture.documents


class RepeatedPicture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of the images of a document that show the same picture keep the first."""

    def measure(self, picture: Picture, /) -> int:
        """How often the document has shown it before."""
        return picture.before

    def judge(self, value: int, /) -> Breach | None:
        """Whether it has at all."""
        return outside(value, None, 0)


class Nsfw(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keep images of which a classifier says no more than ``limits`` allow (docs/nsfw.md).

    ``limits`` are the highest scores that are safe, by label; without them those of the classifier are put in when the
    configuration is read. An image that could not be scored is refused, too. ``drop`` says what goes with a refusal.
    """

    limits: dict[str, Annotated[float, msgspec.Meta(ge=0, le=1)]] | None = None
    drop: Literal["image", "document"] = "image"

    def __post_init__(self) -> None:
        if self.limits is not None and not self.limits:
            raise ValueError("limits is empty; name labels, or leave it out for the limits of the classifier")

    def measure(self, picture: Picture, /) -> Mapping[str, float]:
        """The scores by label; none if it could not be scored."""
        return picture.scores or {}

    def judge(self, value: Mapping[str, float], /) -> Breach | None:
        """The first label whose score is above its limit, or is no number; or ``unscored``."""
        if self.limits is None:
            raise ConfigError("nsfw: limits are not known; name them, or a classifier as images.scorer")
        label = unsafe(value or None, self.limits)
        if label is None:
            return None
        if label == UNSCORED:
            return Breach(None, None, UNSCORED)
        return Breach(value[label], self.limits[label], ">")
