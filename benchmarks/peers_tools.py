"""The three tools that ask a server the same questions: their environments, forms and commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from peers_pages import EVALSCOPE, LMMS, SGLEVAL

PEERS = ("lmms-eval", "evalscope")
PACKAGES = {"lmms-eval": "lmms", "evalscope": "evalscope"}
IN_FLIGHT = (2, 8, 32)


@dataclass(frozen=True)
class Form:
    """A tool and how it is told to work; None leaves the choice to the tool."""

    tool: str
    in_flight: int | None = None
    by_text: bool | None = None
    """lmms-eval's queue: sorted by a hash of the text, or in the dataset's order."""

    @property
    def name(self) -> str:
        """How results and tables call it."""
        if self.tool == "sgleval":
            return self.tool
        if self.in_flight is None:
            return f"{self.tool} as documented"
        queue = {None: "", True: ", by text", False: ", in order"}[self.by_text]
        return f"{self.tool} {self.in_flight}{queue}"


OURS = Form("sgleval")
DOCUMENTED = [Form(tool) for tool in PEERS]
"""lmms-eval then has 32 in flight, sorted by text, and encodes a page for every question; evalscope
has 8 in flight, so that this is one form of its grid."""

GRID = {
    "lmms-eval": [Form("lmms-eval", n, queue) for n in IN_FLIGHT for queue in (True, False)],
    "evalscope": [Form("evalscope", n if n != 8 else None) for n in IN_FLIGHT],
}
"""lmms-eval is given paths here, so that it encodes a page once. evalscope has no other choice than
how many are in flight."""


@dataclass(frozen=True)
class Tools:
    """Where the peers are installed."""

    folder: Path

    def command(self, form: Form, url: str, pages: Path, out: Path) -> list[str]:
        """Return what a user would type for pages prepared by `peers_pages.write`."""
        make = {"sgleval": _sgleval, "lmms-eval": self._lmms, "evalscope": self._evalscope}
        return make[form.tool](form, url, pages, out)

    def environment(self, form: Form) -> dict[str, str]:
        """Return the variables that keep a peer from looking for a hub or a key."""
        here = dict(os.environ) | {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
        if form.tool == "sgleval":
            return here
        offline = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
        home = str(self.folder / f"{PACKAGES[form.tool]}-home")
        return here | dict.fromkeys(offline, "1") | {"OPENAI_API_KEY": "EMPTY", "HF_HOME": home}

    def install(self) -> None:
        """Make each peer's environment out of its committed list, unless it is there already."""
        for package in PACKAGES.values():
            wanted = Path(__file__).with_name(f"peers-{package}.txt")
            place, installed = self.folder / package, self.folder / package / "installed.txt"
            if installed.exists() and installed.read_bytes() == wanted.read_bytes():
                continue
            print(f"installing {wanted.name} into {place}", flush=True)
            venv.create(place, clear=True, with_pip=True)
            pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            quiet = ["--disable-pip-version-check", "--no-deps", "--requirement", str(wanted)]
            subprocess.run([*pip, *quiet], check=True)
            shutil.copy(wanted, installed)

    def _lmms(self, form: Form, url: str, pages: Path, out: Path) -> list[str]:
        told = [f"model=m,base_url={url}/v1"]
        if form.in_flight is not None:
            told += [f"num_concurrent={form.in_flight}", f"prefix_aware_queue={form.by_text}"]
        task = "pages" if form.in_flight is None else "pages_path"
        return [
            *(str(self.folder / "lmms" / "bin" / "lmms-eval"), "--model", "openai"),
            *("--model_args", ",".join(told), "--tasks", task, "--batch_size", "1"),
            *("--include_path", str(pages / LMMS), "--output_path", str(out), "--log_samples"),
        ]

    def _evalscope(self, form: Form, url: str, pages: Path, out: Path) -> list[str]:
        batch = [] if form.in_flight is None else ["--eval-batch-size", str(form.in_flight)]
        return [
            *(str(self.folder / "evalscope" / "bin" / "evalscope"), "eval", "--model", "m"),
            *("--api-url", f"{url}/v1", "--api-key", "EMPTY", "--datasets", "general_vqa"),
            *("--dataset-args", (pages / EVALSCOPE / "arguments.json").read_text("utf-8")),
            *("--generation-config", (pages / EVALSCOPE / "generation.json").read_text("utf-8")),
            *("--work-dir", str(out), *batch),
        ]


def _sgleval(_: Form, url: str, pages: Path, out: Path) -> list[str]:
    command = str(Path(sys.executable).with_name("sgleval"))
    task = str(pages / SGLEVAL / "pages.py")
    return [command, "run", task, "--model", url, "--fresh", "--out", str(out)]
