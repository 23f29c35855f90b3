"""Pictures drawn by script: the first word of a file's name is the scene, the whole name is the seed.

The same name gives the same bytes wherever the same Pillow draws; another size gives the same scene.
"""

from __future__ import annotations

import functools
import io
import itertools
import math
import random
from collections.abc import Callable
from typing import Final

from PIL import ImageFilter

from obelics_pipeline.sample.canvas import Canvas

FORMATS: Final = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF"}


def landscape(c: Canvas) -> None:
    """Hills behind hills under a low sun."""
    c.sky(c.colour(0.6, 0.7), c.colour(0.1, 0.9))
    c.disc(c.dice.uniform(0.2, 0.8), c.dice.uniform(0.15, 0.35), 0.05, c.colour(0.1, 0.98, 0.2))
    for i in range(5):
        c.ridge(0.4 + 0.13 * i, 0.12, c.colour(0.35 + 0.03 * i, 0.65 - 0.12 * i))


def bridge(c: Canvas) -> None:
    """A suspension bridge over a river."""
    c.sky(c.colour(0.6, 0.8), c.colour(0.55, 0.95, 0.2))
    c.ridge(0.62, 0.05, c.colour(0.35, 0.5))
    c.box(0, 0.75, 1, 0.25, c.colour(0.6, 0.45))
    dark, left, right = c.colour(0.05, 0.25), 0.22, 0.78
    height, sag = c.dice.uniform(0.15, 0.25), c.dice.uniform(0.28, 0.36)
    for x in (left, right):
        c.box(x - 0.012, height, 0.024, 0.85 - height, dark)
    main = [(left + (right - left) * t / 20, height + sag * (1 - (t / 10 - 1) ** 2)) for t in range(21)]
    c.line([(0, 0.62), *main, (1, 0.62)], dark, 0.008)
    c.box(0, 0.64, 1, 0.02, dark)
    for x, y in main[1:-1]:
        c.line([(x, y), (x, 0.65)], dark, 0.002)


def harbour(c: Canvas) -> None:
    """Boats on still water before a quay of houses."""
    c.sky(c.colour(0.58, 0.85), c.colour(0.12, 0.95, 0.3))
    for i in range(9):
        height = c.dice.uniform(0.12, 0.28)
        c.box(i / 9, 0.5 - height, 0.1, height, c.colour(c.dice.random(), 0.6, 0.5))
        c.box(i / 9 + 0.03, 0.5 - height / 2, 0.03, 0.05, c.colour(0.15, 0.9))
    c.box(0, 0.5, 1, 0.5, c.colour(0.6, 0.5))
    for _ in range(14):
        x, y = c.dice.random(), c.dice.uniform(0.55, 0.98)
        c.line([(x, y), (x + 0.12, y)], c.colour(0.58, 0.65), 0.003)
    for _ in range(3):
        x, y, hull = c.dice.uniform(0.05, 0.75), c.dice.uniform(0.6, 0.85), c.colour(c.dice.random(), 0.35)
        c.shape([(x, y), (x + 0.2, y), (x + 0.16, y + 0.07), (x + 0.04, y + 0.07)], hull)
        c.shape([(x + 0.1, y - 0.3), (x + 0.1, y - 0.02), (x + 0.19, y - 0.02)], c.colour(0.1, 0.97, 0.1))


def chart(c: Canvas) -> None:
    """Bars and a curve between two axes."""
    c.sky((252, 252, 250), (244, 245, 246))
    ink, n = (60, 60, 66), c.dice.randint(6, 12)
    for i in range(1, 6):
        c.line([(0.1, 0.1 + 0.15 * i), (0.95, 0.1 + 0.15 * i)], (216, 218, 220), 0.001)
    heights = [c.dice.uniform(0.1, 0.68) for _ in range(n)]
    for i, height in enumerate(heights):
        c.box(0.12 + 0.82 * i / n, 0.85 - height, 0.5 / n, height, c.colour(0.6 + 0.02 * i, 0.6, 0.6))
    points = [(0.12 + 0.82 * (i + 0.3) / n, 0.8 - height * 0.9) for i, height in enumerate(heights)]
    c.line(points, c.colour(0.0, 0.4, 0.7), 0.005)
    c.line([(0.1, 0.06), (0.1, 0.85), (0.96, 0.85)], ink, 0.004)


def plan(c: Canvas) -> None:
    """A map: contour lines, a river, a path with its stations."""
    c.sky(c.colour(0.3, 0.92, 0.2), c.colour(0.2, 0.95, 0.2))
    x, y = c.dice.uniform(0.3, 0.7), c.dice.uniform(0.3, 0.7)
    for i in range(9, 0, -1):
        c.disc(x, y, 0.05 * i, c.colour(0.25, 0.95 - 0.035 * i), c.dice.uniform(0.6, 0.75))
    river = [(i / 20, 0.2 + 0.6 * i / 20 + 0.06 * math.sin(i + x * 9)) for i in range(21)]
    c.line(river, c.colour(0.58, 0.7, 0.6), 0.014)
    path = [(0.08 + 0.84 * i / 8, c.dice.uniform(0.2, 0.8)) for i in range(9)]
    c.line(path, (190, 40, 40), 0.006)
    for px, py in path:
        c.disc(px, py, 0.011, (255, 255, 255))
        c.disc(px, py, 0.007, (190, 40, 40))


def table(c: Canvas) -> None:
    """A still life: a bowl and round things on a table."""
    c.sky(c.colour(0.08, 0.6), c.colour(0.1, 0.35))
    c.box(0, 0.66, 1, 0.34, c.colour(0.06, 0.45))
    for _ in range(c.dice.randint(7, 12)):
        x, y, hue = c.dice.uniform(0.2, 0.8), c.dice.uniform(0.48, 0.7), c.dice.uniform(-0.1, 0.4)
        radius = c.dice.uniform(0.04, 0.09)
        c.disc(x, y, radius, c.colour(hue, 0.5, 0.75))
        c.disc(x - radius * 0.3, y - radius * 0.35, radius * 0.25, c.colour(hue, 0.85, 0.4))
    bowl = [
        (0.5 + 0.36 * math.cos(t * math.pi / 24), 0.64 + 0.26 * math.sin(t * math.pi / 24)) for t in range(25)
    ]
    c.shape(bowl, c.colour(0.55, 0.8, 0.3))
    c.line([(0.14, 0.64), (0.86, 0.64)], c.colour(0.55, 0.95, 0.2), 0.01)


def stars(c: Canvas) -> None:
    """A night sky over a dark horizon."""
    c.sky(c.colour(0.65, 0.06), c.colour(0.6, 0.28))
    for _ in range(260):
        c.disc(
            c.dice.random(), c.dice.random(), c.dice.choice((0.0008, 0.0012, 0.003)), c.colour(0.6, 0.97, 0.1)
        )
    x, y = c.dice.uniform(0.25, 0.75), c.dice.uniform(0.2, 0.5)
    for i in range(6, 0, -1):
        c.disc(x, y, 0.016 * i, c.colour(0.12, 0.85 - 0.1 * i, 0.35), 0.55)
    c.ridge(0.86, 0.06, c.colour(0.6, 0.03))


def diagram(c: Canvas) -> None:
    """Boxes and the arrows between them."""
    c.sky((255, 255, 255), (246, 248, 250))
    ink, spots = (50, 60, 80), [(0.12 + 0.3 * i, 0.15 + 0.28 * j) for j in range(3) for i in range(3)]
    chosen = c.dice.sample(spots, c.dice.randint(5, 8))
    for (x1, y1), (x2, y2) in itertools.pairwise(chosen):
        c.line([(x1 + 0.09, y1 + 0.07), (x2 + 0.09, y2 + 0.07)], ink, 0.004)
    for i, (x, y) in enumerate(chosen):
        c.box(x - 0.004, y - 0.006, 0.188, 0.152, ink)
        c.box(x, y, 0.18, 0.14, c.colour(i / 9, 0.92, 0.3))
        for row in range(c.dice.randint(1, 3)):
            c.box(x + 0.03, y + 0.03 + 0.035 * row, c.dice.uniform(0.06, 0.12), 0.014, ink)


def wheel(c: Canvas) -> None:
    """A spoked wheel before a workshop wall."""
    c.sky(c.colour(0.1, 0.8, 0.2), c.colour(0.08, 0.6, 0.2))
    x, y, spokes = c.dice.uniform(0.38, 0.62), 0.5, c.dice.choice((20, 24, 28, 32, 36))
    c.disc(x, y, 0.31, (34, 34, 36))
    c.disc(x, y, 0.285, (190, 192, 196))
    c.disc(x, y, 0.27, c.colour(0.1, 0.74, 0.2))
    ratio = c.size[0] / c.size[1]
    for i in range(spokes):
        a, b = 2 * math.pi * i / spokes, 2 * math.pi * (i + (2 if i % 2 else -2)) / spokes
        hub = (x + 0.03 * math.cos(b), y + 0.03 * ratio * math.sin(b))
        c.line([hub, (x + 0.275 * math.cos(a), y + 0.275 * ratio * math.sin(a))], (90, 92, 96), 0.002)
    c.disc(x, y, 0.035, (60, 60, 64))
    c.line([(x, y), (x + 0.4, y - c.dice.uniform(0.1, 0.5))], c.colour(c.dice.random(), 0.4, 0.7), 0.02)


def tool(c: Canvas) -> None:
    """Tools laid side by side on a bench."""
    c.sky(c.colour(0.07, 0.7, 0.3), c.colour(0.08, 0.5, 0.3))
    for i in range(12):
        c.line([(0, i / 12), (1, i / 12 + c.dice.uniform(-0.02, 0.02))], c.colour(0.08, 0.48, 0.3), 0.002)
    for i in range(c.dice.randint(1, 4)):
        x, top, long = 0.2 + 0.18 * i, c.dice.uniform(0.08, 0.2), c.dice.uniform(0.3, 0.42)
        c.box(x + 0.016, top, 0.02, long, (150, 154, 160))
        c.shape([(x + 0.01, top), (x + 0.04, top), (x + 0.026, top - 0.06)], (150, 154, 160))
        c.box(x, top + long, 0.055, 0.34, c.colour(c.dice.random(), 0.4, 0.7))
        c.disc(x + 0.0275, top + long + 0.34, 0.028, c.colour(c.dice.random(), 0.35, 0.6))


def screen(c: Canvas) -> None:
    """A window with a list on the left and lines of text on the right."""
    c.sky(c.colour(0.6, 0.7), c.colour(0.7, 0.5))
    c.box(0.06, 0.08, 0.88, 0.84, (250, 250, 250))
    c.box(0.06, 0.08, 0.88, 0.07, c.colour(0.6, 0.3))
    for i in range(3):
        c.disc(0.09 + 0.03 * i, 0.115, 0.009, c.colour(i / 3, 0.7, 0.7))
    c.box(0.06, 0.15, 0.22, 0.77, (232, 234, 238))
    for i in range(c.dice.randint(7, 12)):
        c.box(0.08, 0.19 + 0.055 * i, c.dice.uniform(0.06, 0.17), 0.018, (120, 126, 140))
    for i in range(c.dice.randint(9, 15)):
        colour = c.colour(c.dice.random(), 0.4) if i % 4 == 0 else (90, 94, 104)
        c.box(0.31, 0.19 + 0.045 * i, c.dice.uniform(0.2, 0.58), 0.016, colour)


def pool(c: Canvas) -> None:
    """A rock pool from above: weed, shells and a creature with arms."""
    c.sky(c.colour(0.5, 0.5), c.colour(0.45, 0.3))
    for _ in range(40):
        c.disc(
            c.dice.random(),
            c.dice.random(),
            c.dice.uniform(0.01, 0.05),
            c.colour(0.08, c.dice.uniform(0.3, 0.6)),
        )
    for _ in range(16):
        x, y = c.dice.random(), c.dice.random()
        c.line([(x + 0.012 * math.sin(i), y + 0.02 * i) for i in range(9)], c.colour(0.33, 0.35, 0.6), 0.009)
    x, y, arms = c.dice.uniform(0.35, 0.65), c.dice.uniform(0.4, 0.6), c.dice.choice((5, 5, 7, 11))
    for i in range(arms):
        a = 2 * math.pi * i / arms + c.tint
        c.line([(x, y), (x + 0.16 * math.cos(a), y + 0.2 * math.sin(a))], c.colour(0.04, 0.7, 0.8), 0.04)
    c.disc(x, y, 0.06, c.colour(0.06, 0.75, 0.8))


def mushroom(c: Canvas) -> None:
    """Mushrooms on a forest floor."""
    c.sky(c.colour(0.33, 0.35), c.colour(0.3, 0.15))
    c.ridge(0.78, 0.04, c.colour(0.09, 0.25))
    for _ in range(c.dice.randint(1, 4)):
        x, r, top = c.dice.uniform(0.2, 0.8), c.dice.uniform(0.09, 0.17), c.dice.uniform(0.35, 0.5)
        c.shape(
            [(x - r / 4, top), (x + r / 4, top), (x + r / 3, 0.85), (x - r / 3, 0.85)],
            c.colour(0.12, 0.88, 0.2),
        )
        cap = [
            (x + r * math.cos(t * math.pi / 20), top + 0.04 - 1.5 * r * math.sin(t * math.pi / 20))
            for t in range(21)
        ]
        c.shape(cap, c.colour(c.dice.uniform(0.0, 0.12), 0.5, 0.75))
        for _ in range(7):
            c.disc(
                x + c.dice.uniform(-0.7, 0.7) * r,
                top - c.dice.uniform(0.1, 0.8) * r,
                0.01,
                c.colour(0.1, 0.95, 0.1),
            )
    for _ in range(70):
        c.disc(
            c.dice.random(),
            c.dice.uniform(0.82, 1),
            0.012,
            c.colour(0.09, c.dice.uniform(0.15, 0.5), 0.6),
            0.5,
        )


def plain(c: Canvas) -> None:
    """Stripes: banners, icons, portraits, and any scene that has no drawing of its own."""
    c.sky(c.colour(0.1, 0.8), c.colour(0.4, 0.6))
    for i in range(6):
        c.shape(
            [(i / 6, 0), (i / 6 + 0.08, 0), (i / 6 - 0.1, 1), (i / 6 - 0.18, 1)],
            c.colour(c.dice.random(), 0.6),
        )


SCENES: Final[dict[str, Callable[[Canvas], None]]] = {
    scene.__name__: scene
    for scene in (
        bridge, chart, diagram, harbour, landscape, mushroom, plan, pool, screen, stars, table, tool, wheel,
    )
}  # fmt: skip
"""Scenes by the word that asks for them."""


@functools.lru_cache(maxsize=512)
def draw(name: str, width: int, height: int, extension: str) -> bytes:
    """The file of a picture: ``name`` is its scene and seed, ``extension`` one of ``FORMATS``."""
    canvas = Canvas(width, height, random.Random(name))
    SCENES.get(name.partition("-")[0], plain)(canvas)
    image = canvas.image.filter(ImageFilter.SMOOTH)
    out = io.BytesIO()
    image.save(out, FORMATS[extension], **({"quality": 85} if extension in ("jpg", "webp") else {}))
    return out.getvalue()
