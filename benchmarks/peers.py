"""sgleval, lmms-eval and evalscope: the same questions about the same pages, on one server.

    python benchmarks/peers.py [--data FOLDER] [--results FILE] [--setting third-own] ...
    python benchmarks/peers.py --report FILE
    python benchmarks/peers.py --scores

The server is ours, with a model whose language part has 358M parameters; its cache has room for
all pages, or for a third of them. The pages have the same four questions, or each row one of its
own (one byte is one token here, so the questions are short). Each tool is a whole process that
starts with an empty prefix cache and with pages that the server has never seen: a patch of noise in
a corner makes them new, so every arm computes its vision embeddings too. A whole arm of sgleval
and a small one of each peer warm up server and disk first.

Once through a grid (requests in flight; lmms-eval's two queues) finds the form of each peer with
the shortest request phase. Then the peers as documented, their best forms and sgleval take turns
`--repetitions` times; the figures are medians of ratios to sgleval of the same turn. Results are
lines of a file, so a campaign can be cut and resumed: what the file holds is not measured again.
The peers are installed below the user's cache folder, from peers-lmms.txt and peers-evalscope.txt.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import large_model
import peers_pages
import peers_scores
from machine import cpu_flags
from peers_report import SCREENING, Records, print_report, settings_of
from peers_server import facts_of, measure, serving
from peers_tools import DOCUMENTED, GRID, OURS, PEERS, Form, Tools
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sgleval.runtime.server import Server

HEAD, TAIL = 46, 14  # tokens of the chat template before the page and behind the question
WINDOW = 8  # requests at work at once beside the pages that stay
TRIES = 2  # of an arm that somebody else's work made void


def main() -> None:
    given = arguments()
    if given.report:
        records = Records(given.report)
        for setup in records.setups():
            print_report(records.of(setup))
        return
    tools = Tools(given.environments)
    tools.install()
    if given.scores:
        peers_scores.compare(tools, given.pages or 10)
        return
    rows = (
        peers_pages.read(given.data, given.pages) if given.data else peers_pages.draw(given.pages)
    )
    with tempfile.TemporaryDirectory(prefix="qwen2-vl-") as folder:
        campaign = Campaign(given, tools, rows, Path(folder))
        campaign.build_model()
        for room in ("third", "all"):
            campaign.run(room)
    print_report(campaign.records.of(campaign.setup))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sgleval-peers"
    parser.add_argument("--data", type=Path, help="a folder in the standard shape [drawn receipts]")
    parser.add_argument("--pages", type=int, help="only so many")
    parser.add_argument("--page-tokens", type=int, default=272, help="at most, of a page [272]")
    parser.add_argument("--max-tokens", type=int, default=8, help="of an answer [8]")
    parser.add_argument("--repetitions", type=int, default=3, help="[3]")
    parser.add_argument("--setting", action="append", choices=settings_of(), help="[all four]")
    parser.add_argument("--screen", action="store_true", help="only once through the grid")
    parser.add_argument("--arm", action="append", help="a form's name; screens only these")
    parser.add_argument("--results", type=Path, default=Path("peers.jsonl"), help="[peers.jsonl]")
    parser.add_argument("--report", type=Path, help="print the tables of a file of results")
    parser.add_argument("--scores", action="store_true", help="compare scores of the demo model")
    parser.add_argument("--environments", type=Path, default=home, help=f"[{home}]")
    return parser.parse_args()


@dataclass
class Campaign:
    """All arms of the settings that were asked for, as far as the results do not hold them."""

    given: argparse.Namespace
    tools: Tools
    rows: list[peers_pages.Row]
    folder: Path
    """For the model and for what an arm needs."""

    def __post_init__(self) -> None:
        self.records = Records(self.given.results)
        pages = peers_pages.pages_of(self.rows)
        most = self.given.page_tokens
        self.page_tokens = sum(image_tokens(page, most) for page in pages)
        name = self.given.data.resolve().name if self.given.data else "drawn receipts"
        self.setup = (
            f"{name}: {len(self.rows)} questions on {len(pages)} pages of "
            f"{self.page_tokens / len(pages):.0f} tokens, {self.given.max_tokens} answer tokens; "
            f"{os.cpu_count()} cores, {cpu_flags()}"
        )

    def build_model(self) -> None:
        """Write the model, which shrinks larger pages."""
        self.model = self.folder / "qwen2-vl"
        self.model.mkdir()
        large_model.build(self.model)
        content = json.dumps(large_model.IMAGES | {"max_pixels": self.given.page_tokens * 28 * 28})
        (self.model / "preprocessor_config.json").write_text(content, "utf-8")

    def run(self, room: str) -> None:
        """Start one server and measure what is missing in this room's settings."""
        wanted = [each for each in self.given.setting or settings_of() if each.startswith(room)]
        if not any(self.missing(setting) for setting in wanted):
            return
        tokens = self.room(room)
        print(f"room for {room}: {tokens} tokens; {self.setup}", flush=True)
        with serving(self.model, tokens) as server:
            self.warm_up(server, wanted[0])
            for setting in wanted:
                while (arm := self.missing(setting)) is not None:
                    self.measure(server, setting, *arm)

    def room(self, room: str) -> int:
        """Return the cache's tokens: all pages and their questions, or a third of these."""
        beside = TAIL + self.given.max_tokens
        texts = sum(len(row["question"].encode()) + beside for row in self.rows)
        need = HEAD + self.page_tokens + texts
        if room == "third":
            return need // 3
        return need + WINDOW * (HEAD + self.given.page_tokens + texts // len(self.rows))

    def missing(self, setting: str) -> tuple[Form, int] | None:
        """Return the next arm: the grid first, then the finalists in turns."""
        held = self.records.of(self.setup)
        grid = [form for peer in PEERS for form in GRID[peer]]
        if self.given.arm:
            grid = [f for f in (OURS, *DOCUMENTED, *grid) if f.name in self.given.arm]
        for form in grid:
            if not held.done(setting, form.name, SCREENING, TRIES):
                return form, SCREENING
        if self.given.screen or self.given.arm:
            return None
        best = [held.best(setting, GRID[peer]) for peer in PEERS]
        finalists = list(dict.fromkeys([OURS, *DOCUMENTED, *best]))
        for turn in range(1, self.given.repetitions + 1):
            for form in finalists[turn:] + finalists[:turn]:
                if not held.done(setting, form.name, turn, TRIES):
                    return form, turn
        return None

    def warm_up(self, server: Server, setting: str) -> None:
        """Have the server touch its memory with a whole arm, and read the peers from the disk."""
        few = [row for row in self.rows if row["image"] in peers_pages.pages_of(self.rows)[:2]]
        for form, rows in ((OURS, self.rows), *((form, few) for form in DOCUMENTED)):
            self.arm(server, setting, form, f"warm {time.time()}", rows)

    def measure(self, server: Server, setting: str, form: Form, turn: int) -> None:
        """Measure one arm and keep it."""
        facts = self.arm(server, setting, form, f"{turn} {time.time()}", self.rows)
        said = {"setup": self.setup, "setting": setting, "form": form.name, "turn": turn}
        self.records.add(said | facts)
        void = "  VOID: others used the machine" if facts["void"] else ""
        print(
            f"{setting:<10} {form.name:<24} turn {turn}: phase {facts['phase_s']:6.1f} s, "
            f"whole {facts['total_s']:6.1f} s, {facts['prompt_tokens']} prompt tokens, "
            f"{facts['cached_tokens']} cached, {facts['posts']} requests{void}",
            flush=True,
        )

    def arm(
        self, server: Server, setting: str, form: Form, seed: str, rows: Sequence[peers_pages.Row]
    ) -> dict[str, Any]:
        """Run one form on fresh pages and return its cost.

        Raises:
            RuntimeError: a request failed or was not sent.
        """
        asked = list(rows) if setting.endswith("four") else peers_pages.own(rows)
        work = self.folder / "arm"
        shutil.rmtree(work, ignore_errors=True)
        peers_pages.write(peers_pages.renewed(asked, seed), work / "pages", self.given.max_tokens)
        command = self.tools.command(form, server.url, work / "pages", work / "out")
        cost = measure(server, command, self.tools.environment(form), work / "out")
        if cost.failed or cost.posts < len(asked):
            raise RuntimeError(
                f"{form.name}: {cost.posts} requests for {len(asked)} questions, "
                f"{cost.failed} of them failed; its figures would say nothing"
            )
        return facts_of(cost)


def image_tokens(page: bytes, most: int) -> int:
    """Return how many tokens the server makes of a page, at most so many."""
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    width, height = Image.open(io.BytesIO(page)).size
    least = large_model.IMAGES["min_pixels"]
    high, wide = smart_resize(height, width, 28, least, most * 28 * 28)
    return (high // 28) * (wide // 28)


if __name__ == "__main__":
    sys.exit(main())
