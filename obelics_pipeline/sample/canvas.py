"""A picture to draw on, in shares of its width and height."""

from __future__ import annotations

import colorsys
import math
import random
from typing import TypeAlias

from PIL import Image, ImageDraw

Colour: TypeAlias = tuple[int, int, int]


class Canvas:
    """A picture to draw on: shares instead of pixels, so that every size shows the same scene."""

    def __init__(self, width: int, height: int, dice: random.Random) -> None:
        self.size, self.dice = (width, height), dice
        self.image = Image.new("RGB", self.size)
        self.pen = ImageDraw.Draw(self.image)
        self.tint = dice.random()

    def colour(self, hue: float, light: float, strength: float = 0.45) -> Colour:
        """A colour, a little shifted by the picture's own tint; all from 0 to 1, hue round the wheel."""
        parts = colorsys.hls_to_rgb(hue + 0.12 * (self.tint - 0.5), light, strength)
        red, green, blue = (round(255 * part) for part in parts)
        return red, green, blue

    def sky(self, above: Colour, below: Colour) -> None:
        """Fill the picture from one colour to another, top to bottom."""
        mask = Image.linear_gradient("L").resize(self.size)
        upper, lower = (Image.new("RGB", self.size, colour) for colour in (above, below))
        self.image.paste(Image.composite(lower, upper, mask))

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The point at shares ``x`` and ``y``, in pixels."""
        return x * self.size[0], y * self.size[1]

    def shape(self, points: list[tuple[float, float]], colour: Colour) -> None:
        """A filled polygon."""
        self.pen.polygon([self.at(*point) for point in points], fill=colour)

    def line(self, points: list[tuple[float, float]], colour: Colour, width: float = 0.006) -> None:
        """A line through points; its width is a share of the picture's."""
        self.pen.line([self.at(*p) for p in points], fill=colour, width=max(1, round(width * self.size[0])))

    def disc(self, x: float, y: float, radius: float, colour: Colour, squash: float = 1.0) -> None:
        """A disc, or with ``squash`` an ellipse; the radius is a share of the picture's width."""
        (px, py), r = self.at(x, y), radius * self.size[0]
        self.pen.ellipse((px - r, py - r * squash, px + r, py + r * squash), fill=colour)

    def box(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """A filled rectangle."""
        self.pen.rectangle((*self.at(x, y), *self.at(x + width, y + height)), fill=colour)

    def ridge(self, level: float, rough: float, colour: Colour) -> None:
        """Everything below a wavering line: hills, waves, a shore."""
        waves = [(self.dice.uniform(1, 9), self.dice.random() * 7, self.dice.random()) for _ in range(4)]
        top = [
            (i / 60, level + rough * sum(a * math.sin(f * i / 10 + p) for f, p, a in waves) / 4)
            for i in range(61)
        ]
        self.shape([*top, (1, 1), (0, 1)], colour)
