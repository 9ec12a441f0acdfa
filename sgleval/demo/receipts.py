"""Rendered receipts: a shop, a date, a number, items with prices, tax, total and payment."""

import random
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from PIL import Image, ImageDraw, ImageFont

from sgleval.demo.render import Mark, Page, Question

WIDTH, HEIGHT = 224, 308
"""Pixels; both are multiples of the 28 pixels of a visual token."""


def words(text: str) -> tuple[str, ...]:
    """Split at blanks; a tuple of a hundred words would be a hundred lines."""
    return tuple(text.split())


SHOPS = words(
    "NORTH SUNNY CORNER GREEN CITY RIVER GOLDEN HAPPY FRESH VILLAGE CENTRAL BLUE QUICK ROYAL "
    "GRAND MAPLE OCEAN PARK LUCKY VALLEY SILVER HARBOR EXPRESS METRO ALPINE OAK PRIME UNION "
    "JADE ZENITH WILLOW KING"
)
KINDS = words("MARKET STORE CAFE BAKERY SHOP DELI MART FOODS KITCHEN GROCER PANTRY DINER")
ITEMS = words(
    "MILK BREAD BUTTER CHEESE YOGURT EGGS RICE PASTA FLOUR SUGAR SALT PEPPER COFFEE TEA JUICE "
    "WATER COLA BEER WINE APPLE BANANA ORANGE LEMON GRAPES PEAR PLUM MANGO KIWI MELON TOMATO "
    "POTATO ONION GARLIC CARROT LETTUCE SPINACH CORN BEANS PEAS CHICKEN BEEF PORK HAM BACON FISH "
    "TUNA SALMON SHRIMP SOUP SAUCE HONEY JAM CEREAL OATS NUTS CHIPS COOKIES CAKE MUFFIN BAGEL "
    "DONUT PIZZA BURGER TACO SALAD TOFU OIL VINEGAR SOAP TISSUE PENCIL NOTEBOOK BATTERY CANDLE "
    "TOWEL SPONGE BRUSH RAZOR VITAMIN ASPIRIN"
)
PAYMENTS = ("CASH", "CARD", "VISA", "MASTERCARD", "VOUCHER", "CHECK")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What stands on a receipt; amounts are cents."""

    shop: str
    date: str
    number: str
    items: dict[str, int]
    tax: int
    payment: str

    @property
    def total(self) -> int:
        """The items and the tax."""
        return sum(self.items.values()) + self.tax


def receipt(rng: random.Random) -> Page:
    """Draw a receipt; its questions carry the tags `type` and `skill` (reading or reasoning)."""
    content = invent(rng)
    lines = layout(content, rng)
    image, marks = typeset(lines, rng)
    text = "\n".join(" ".join(part for part in line if part) for line in lines)
    return Page(image, ask(content, rng), marks, text)


def invent(rng: random.Random) -> Receipt:
    """Make up what a receipt says."""
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(2015, 2029)
    date = rng.choice(("{d:02}/{m:02}/{y}", "{y}-{m:02}-{d:02}", "{d:02}.{m:02}.{y}"))
    names = rng.sample(ITEMS, rng.randint(2, 4))
    items = {name: price(rng) for name in names}
    return Receipt(
        shop=f"{rng.choice(SHOPS)} {rng.choice(KINDS)}",
        date=date.format(d=day, m=month, y=year),
        number=str(rng.randint(10 ** (size := rng.randint(3, 5)), 10 ** (size + 1) - 1)),
        items=items,
        tax=max(1, sum(items.values()) * rng.choice((5, 7, 8, 10, 19, 20)) // 100),
        payment=rng.choice(PAYMENTS),
    )


def price(rng: random.Random) -> int:
    """Return cents; half of the prices have one digit before the point."""
    return rng.randint(*rng.choice(((50, 999), (1000, 9999))))


def money(cents: int) -> str:
    """Return "12.05" for 1205."""
    return f"{cents // 100}.{cents % 100:02}"


Line = tuple[str, str]
"""The text at the left and the one in the column of prices."""


def layout(content: Receipt, rng: random.Random) -> list[Line]:
    """Choose labels and order of the lines."""
    date = (rng.choice(("", "DATE ", "DATE: ")) + content.date, "")
    number = (rng.choice(("NO ", "NO. ", "# ", "RECEIPT ", "INVOICE ")) + content.number, "")
    head = rng.choice(([date, number], [number, date]))
    items = [(name, money(cents)) for name, cents in content.items.items()]
    tax = (rng.choice(("TAX", "VAT", "SALES TAX")), money(content.tax))
    total = (rng.choice(("TOTAL", "TO PAY", "AMOUNT", "TOTAL DUE")), money(content.total))
    paid = rng.choice(((content.payment, ""), ("PAID", content.payment), ("BY", content.payment)))
    return [(content.shop, ""), *head, *items, tax, total, paid]


@cache
def font(size: float) -> ImageFont.FreeTypeFont:
    """Return Pillow's bundled font at a size in pixels."""
    face = ImageFont.load_default(size)
    assert isinstance(face, ImageFont.FreeTypeFont)  # the other kind is bitmaps of one size
    return face


def typeset(lines: list[Line], rng: random.Random) -> tuple[Image.Image, list[Mark]]:
    """Print the lines on paper; return the picture and the centre of every character."""
    paper = tuple(rng.randint(222, 240) + rng.randint(0, 15) for _ in range(3))
    ink = tuple(rng.randint(0, 60) + rng.randint(0, 25) for _ in range(3))
    image = Image.new("RGB", (WIDTH, HEIGHT), paper)
    draw = ImageDraw.Draw(image)
    size, left, right = rng.choice((14, 14.5, 15, 15.5, 16, 17)), rng.randint(5, 18), 0
    right = WIDTH - rng.randint(5, 18)
    pitch = min(rng.uniform(29, 34), (HEIGHT - 10) / len(lines))  # a visual token sees one line
    top = rng.uniform(5, max(6, HEIGHT - 4 - pitch * len(lines)))
    centred, big, marks = rng.choice((True, False)), rng.choice((0, 1, 2, 3)), []
    rules = set(rng.sample(range(1, len(lines)), rng.choice((0, 0, 1, 2))))
    for number, (label, value) in enumerate(lines):
        face = font(size + big if number == 0 else size)
        y = top + pitch * number + rng.uniform(-0.4, 0.4)
        x = left + rng.randint(0, 2)
        if centred and number == 0:
            x = round((WIDTH - face.getlength(label)) / 2)
        if number in rules:
            draw.line((left, y - 3, right, y - 3), fill=ink, width=1)
        printed = [(x, label), (right - face.getlength(value) - rng.randint(0, 2), value)]
        for start, text in printed:
            draw.text((start, y), text, fill=ink, font=face)
            marks += placed(text, number, (start, y + size * 0.6), face)
    return image, marks


def placed(
    text: str, line: int, at: tuple[float, float], face: ImageFont.FreeTypeFont
) -> list[Mark]:
    """Return the centre of every character but blanks."""
    widths = [face.getlength(char) for char in text]
    ends = accumulate(widths)
    return [
        Mark(char, line, at[0] + end - width / 2, at[1])
        for char, width, end in zip(text, widths, ends, strict=True)
        if char != " "
    ]


def ask(content: Receipt, rng: random.Random) -> list[Question]:
    """Ask for every field, two prices, and what follows from them."""
    names = list(content.items)
    one, other = rng.sample(names, 2)
    dearer = "yes" if content.items[one] > content.items[other] else "no"
    listed = rng.choice((True, False))
    wanted = rng.choice(names if listed else [name for name in ITEMS if name not in names])
    reading = [
        ("shop", "what is the name of the shop?", content.shop),
        ("date", "what is the date?", content.date),
        ("number", "what is the receipt number?", content.number),
        ("price", f"what is the price of {one}?", money(content.items[one])),
        ("price", f"what is the price of {other}?", money(content.items[other])),
        ("tax", "what is the tax?", money(content.tax)),
        ("total", "what is the total?", money(content.total)),
        ("payment", "what was it paid with?", content.payment),
    ]
    reasoning = [
        ("count", "how many items are there?", str(len(names))),
        ("comparison", f"is {one} more expensive than {other}?", dearer),
        ("presence", f"is there {wanted} on the receipt?", "yes" if listed else "no"),
    ]
    return [
        Question(text, answer, {"type": kind, "skill": skill})
        for skill, asked in (("reading", reading), ("reasoning", reasoning))
        for kind, text, answer in asked
    ]
