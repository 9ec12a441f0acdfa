"""SGLang's frontend comes without torch, and gives the real thing to who asks for more.

Each test is a process of its own, since what is imported stays.
"""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(240)
RUNS = """
import sys
from fake_server import FakeServer, backend_for, sgl
from sgleval.runtime import frontend
from conftest import picture

@sgl.function
def look(s, image):
    s += sgl.user(sgl.image(image) + "What?")
    s += sgl.assistant(sgl.gen("answer", regex="[a-z]+", return_logprob=True))
    forks = s.fork(2)
    forks += sgl.gen("more")
    forks.join()

with FakeServer(lambda _: "red") as server:
    backend = backend_for(server)
    assert look.run(image=picture(), backend=backend, use_thread=False)["answer"] == "red"
    [state] = look.run_batch([{"image": picture()}], backend=backend)
    assert (state["answer"], state["more"]) == ("red", ["red", "red"])
"""
NO_TORCH = """
heavy = {"torch", "triton", "transformers", "IPython", "aiohttp"} & set(sys.modules)
assert not heavy, heavy
"""


def python(code):
    """Run code where the tests' own modules are importable."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_program_runs_without_torch():
    python(f"{RUNS}{NO_TORCH}assert frontend.LIGHT")


def test_a_second_call_finds_sglang_there_and_touches_nothing():
    python(f"from sgleval.runtime import frontend\nassert not frontend.import_light()\n{RUNS}")


def test_a_task_file_that_imports_sglang_itself_gets_it_without_torch(tmp_path):
    task = tmp_path / "task.py"
    task.write_text("import sglang as sgl\nfunction = sgl.function\n")
    python(
        "import sys; from pathlib import Path; from sgleval.task import run_file\n"
        f"assert run_file(Path({str(task)!r})).function\n{NO_TORCH}"
    )


def test_the_real_utilities_come_when_they_are_asked_for():
    python(
        f"{RUNS}\nfrom sglang.srt.utils import kill_process_tree\n"
        "assert kill_process_tree.__module__.startswith('sglang.srt.utils')\n"
        "import torch, transformers\n"
        "from sglang.srt import utils\n"
        "assert utils.kill_process_tree is kill_process_tree\n"
        "assert not hasattr(utils, 'no_such_name')"
    )


def test_what_of_sglang_uses_aiohttp_or_ipython_finds_them():
    said = python(
        "from sgleval.runtime import frontend\n"
        "from sglang.lang.backend import runtime_endpoint\n"
        "from sglang.utils import print_highlight\n"
        "import aiohttp\n"
        "assert runtime_endpoint.aiohttp.ClientSession is aiohttp.ClientSession\n"
        "print_highlight('seen')"
    )
    assert "seen" in said


def test_with_torch_there_already_the_plain_import_is_taken():
    python(f"import torch\n{RUNS}\nassert not frontend.LIGHT")
