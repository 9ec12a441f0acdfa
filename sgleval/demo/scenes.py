"""Rendered scenes: two to four coloured shapes, asked for objects, attributes and relations."""

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

from sgleval.demo.render import Mark, Page, Question

SIDE = 168
"""Pixels; a multiple of the 28 pixels of a visual token."""

COLORS = {
    "red": (220, 30, 30),
    "green": (30, 160, 50),
    "blue": (40, 60, 220),
    "yellow": (240, 210, 30),
    "black": (20, 20, 20),
    "gray": (130, 130, 130),
    "teal": (20, 150, 150),
    "brown": (130, 70, 25),
}
SHAPES = ("circle", "square", "triangle")
SIZES = {"small": (10, 13), "large": (19, 24)}
"""The radius in pixels, from and to."""

APART = 14
"""Centres this many pixels apart on an axis may be asked for left, right, above, below."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One drawn shape; `x` and `y` are its centre."""

    color: str
    kind: str
    size: str
    radius: int
    x: int
    y: int

    @property
    def name(self) -> str:
        """What a question calls it; no two shapes of a scene share it."""
        return f"{self.color} {self.kind}"


def scene(rng: random.Random) -> Page:
    """Draw a scene; its questions carry the tags `category` and `leaf`."""
    shapes = scatter(rng)
    image = Image.new("RGB", (SIDE, SIDE), tuple(rng.randint(225, 255) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for shape in shapes:
        paint(draw, shape, rng)
    marks = [
        Mark(label, line, shape.x, shape.y)
        for line, shape in enumerate(shapes)
        for label in (shape.color, shape.kind, shape.size)
    ]
    return Page(image, ask(shapes, rng), marks)


def scatter(rng: random.Random) -> list[Shape]:
    """Place shapes that neither touch nor share a name."""
    shapes: list[Shape] = []
    wanted = rng.randint(2, 4)
    while len(shapes) < wanted:
        size = rng.choice(list(SIZES))
        radius = rng.randint(*SIZES[size])
        x, y = (rng.randint(radius + 3, SIDE - radius - 3) for _ in range(2))
        new = Shape(rng.choice(list(COLORS)), rng.choice(SHAPES), size, radius, x, y)
        clear = all(math.dist((x, y), (o.x, o.y)) > 1.3 * (radius + o.radius) for o in shapes)
        if clear and new.name not in {shape.name for shape in shapes}:
            shapes.append(new)
    return shapes


def paint(draw: ImageDraw.ImageDraw, shape: Shape, rng: random.Random) -> None:
    """Draw one shape, its colour a little off."""
    fill = tuple(min(255, max(0, value + rng.randint(-15, 15))) for value in COLORS[shape.color])
    x, y, r = shape.x, shape.y, shape.radius
    if shape.kind == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)
    elif shape.kind == "square":
        r = round(r * 0.88)
        draw.rectangle((x - r, y - r, x + r, y + r), fill=fill)
    else:
        draw.polygon([(x, y - r), (x - r, y + r * 0.8), (x + r, y + r * 0.8)], fill=fill)


def ask(shapes: list[Shape], rng: random.Random) -> list[Question]:
    """Ask one question per leaf of the taxonomy that the scene can answer without doubt."""
    found = [
        *about_objects(shapes, rng),
        *about_attributes(shapes, rng),
        *about_relations(shapes, rng),
    ]
    return [
        Question(text, answer, {"category": leaf.split(".")[0], "leaf": leaf})
        for leaf, text, answer in found
    ]


Asked = list[tuple[str, str, str]]
"""Leaf, question, answer."""


def about_objects(shapes: list[Shape], rng: random.Random) -> Asked:
    """Ask whether a shape is there (half of them are; the others share a word) and how many."""
    names = {shape.name for shape in shapes}
    wanted = rng.choice(sorted(names))
    if rng.choice((True, False)):
        color, kind = rng.choice(shapes).color, rng.choice(SHAPES)
        color = rng.choice((color, rng.choice(list(COLORS))))
        wanted = f"{color} {kind}"
    return [
        ("object.presence", f"is there a {wanted}?", "yes" if wanted in names else "no"),
        ("object.count", "how many shapes are there?", str(len(shapes))),
    ]


def about_attributes(shapes: list[Shape], rng: random.Random) -> Asked:
    """Ask for colour, kind and size of shapes that the words single out."""
    asked = []
    kinds = [shape.kind for shape in shapes]
    colors = [shape.color for shape in shapes]
    lone = [shape for shape in shapes if kinds.count(shape.kind) == 1]
    if lone:
        shape = rng.choice(lone)
        asked.append(("attribute.color", f"what color is the {shape.kind}?", shape.color))
    lone = [shape for shape in shapes if colors.count(shape.color) == 1]
    if lone:
        shape = rng.choice(lone)
        asked.append(("attribute.shape", f"what is the {shape.color} shape?", shape.kind))
    shape = rng.choice(shapes)
    asked.append(("attribute.size", f"is the {shape.name} small or large?", shape.size))
    return asked


def about_relations(shapes: list[Shape], rng: random.Random) -> Asked:
    """Ask how two shapes lie to each other where the picture leaves no doubt."""
    asked = []
    one, other = rng.sample(shapes, 2)
    if abs(one.x - other.x) >= APART:
        answer = "yes" if one.x < other.x else "no"
        text = f"is the {one.name} left of the {other.name}?"
        asked.append(("relation.left", text, answer))
    if abs(one.y - other.y) >= APART:
        answer = "yes" if one.y < other.y else "no"
        text = f"is the {one.name} above the {other.name}?"
        asked.append(("relation.above", text, answer))
    return asked
