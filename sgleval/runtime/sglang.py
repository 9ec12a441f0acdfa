"""The backend: SGLang's own `RuntimeEndpoint` with several images, time-outs, retries, a ledger."""

import contextlib
import copy
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Self

from sgleval.runtime.client import Client, RequestError
from sgleval.runtime.connection import Begun
from sgleval.runtime.frontend import RuntimeEndpoint
from sgleval.runtime.ledger import Ledger
from sgleval.runtime.template import Template
from sgleval.sample import Sample

KINDS = {
    "/9j/": "jpeg",
    "iVBO": "png",
    "UklG": "webp",
    "R0lG": "gif",
    "Qk": "bmp",
    "SUkq": "tiff",
    "TU0A": "tiff",
}
LOGPROB_FIELDS = (
    "return_logprob",
    "logprob_start_len",
    "top_logprobs_num",
    "return_text_in_logprobs",
)
FIRST_AND_LAST = 1 << 30
"""Tokens from one event of a stream to the next: the first one comes at once in any case."""
FREE_TOKENS, FREE_JSON_TOKENS = 64, 512
"""What a freed answer may take at least, a JSON object more."""


class SglangBackend(RuntimeEndpoint):  # type: ignore[misc]  # sglang has no types
    """A running SGLang server, for programs.

    It works under SGLang's own `run` and `run_batch` too. `opened()` gives the view that one
    program gets, with a ledger.
    """

    def __init__(
        self, client: Client, template: Template, extra: Mapping[str, Any] | None = None
    ) -> None:
        # The base class's constructor asks the server without a time-out and guesses the template.
        self.client = client
        self.base_url, self.api_key, self.verify = client.url, None, None
        self.support_concate_and_append = False  # would need a route that SGLang no longer has
        self.chat_template = template.for_frontend()
        self.stop = template.stop
        self.extra = dict(extra or {})
        self.is_cold = self.is_free = False
        self.ledger: Ledger | None = None
        self.begun: Begun | None = None

    def opened(self, sample: Sample | None = None) -> Self:
        """Return the view for one program."""
        del sample  # a user's own model wants it; this one has everything in the prompt
        view = copy.copy(self)
        view.ledger = Ledger()
        if self.is_cold:
            view.extra = self.extra | {"cache_salt": uuid.uuid4().hex}
        return view

    def cold(self) -> Self:
        """Return the same server with a cache for each program that nothing else ever filled."""
        view = copy.copy(self)
        view.is_cold = True
        return view

    def freed(self) -> Self:
        """Return the same server without the programs' constraints and stops (`--free`)."""
        view = copy.copy(self)
        view.is_free = True
        return view

    def leading(self, begun: Begun) -> Self:
        """Return the same server for one program, with `begun` called once its prompt is cached.

        That is when the first token of its first answer is there, which may be long before the
        last one. The server must stream texts whole, see `ServerSays`.
        """
        view = copy.copy(self)
        view.begun = begun
        return view

    def generate(self, s: Any, sampling_params: Any) -> tuple[str, dict[str, Any]]:
        """Answer one `gen`; the names of the parameters are SGLang's.

        Raises:
            RequestError: no answer, or one that cannot be trusted.
        """
        if self.is_free:
            _free(sampling_params)
        stop = sampling_params.stop or ()
        # A list of its own: the program's may be shared, and SGLang's code appends to it.
        sampling_params.stop = [*([stop] if isinstance(stop, str) else stop), *self.stop]
        self._handle_dtype_to_regex(sampling_params)
        body = {"text": s.text_, "sampling_params": sampling_params.to_srt_kwargs()}
        for name in LOGPROB_FIELDS:
            if (value := getattr(sampling_params, name)) is not None:
                body[name] = value
        begun, self.begun = self.begun, None
        reply = self._ask(s, body, begun)
        return reply["text"], reply["meta_info"]

    def commit_lazy_operations(self, s: Any) -> None:
        """Warm the prefix that forks share; where that fails the forks' own requests will tell."""
        with contextlib.suppress(RequestError):
            self._ask(s, {"text": s.text_, "sampling_params": {"max_new_tokens": 0}})

    fill_image = commit_lazy_operations

    def cache_prefix(self, prefix_str: str) -> None:
        """Warm a program's constant text; an optimisation must not stop a run."""
        with contextlib.suppress(RequestError):
            self._post({"text": prefix_str, "sampling_params": {"max_new_tokens": 0}})

    def _ask(self, s: Any, body: dict[str, Any], begun: Begun | None = None) -> Any:
        """Send a prompt, or a list of them, and check the reply; an aborted one is tried again."""
        self._add_images(s, body)
        if begun:
            body["stream"] = True
            body["sampling_params"]["stream_interval"] = FIRST_AND_LAST
        reply = self._post(body, begun)
        if _abort(reply):
            reply = self._post(body, begun)
        if abort := _abort(reply):
            raise RequestError(f"aborted: {abort.get('message') or 'no reason given'}")
        for meta in _metas(reply):
            if s.images_ and not meta.get("image_tokens"):
                raise RequestError(
                    f"the server dropped {len(s.images_)} image(s): no image tokens came back"
                )
            if self.ledger is not None:
                self.ledger.add(meta, images=bool(s.images_))
        return reply

    _generate_http_request = _ask  # what SGLang's `select` calls

    def _post(self, body: dict[str, Any], begun: Begun | None = None) -> Any:
        return self.client.post("/generate", body | self.extra, begun)

    def _add_images(self, s: Any, data: dict[str, Any]) -> None:
        """Add the original bytes as data URLs, in the program's order.

        Bare base64 of a JPEG begins with "/", which SGLang 0.5.23 takes for a file's path.
        """
        if not s.images_:
            return
        urls = [data_url(encoded) for _, encoded in s.images_]
        data["image_data"] = [urls] * len(data["text"]) if isinstance(data["text"], list) else urls


def _free(sampling: Any) -> None:
    """Lift the constraint and the stop of a `gen`, and give the answer room to be wordy."""
    room = FREE_JSON_TOKENS if sampling.json_schema else FREE_TOKENS
    sampling.max_new_tokens = max(sampling.max_new_tokens or 0, room)
    sampling.regex = sampling.json_schema = sampling.dtype = None
    sampling.stop = sampling.stop_regex = ()


def _metas(reply: Any) -> Iterator[dict[str, Any]]:
    for one in reply if isinstance(reply, list) else [reply]:
        yield one["meta_info"]


def _abort(reply: Any) -> dict[str, Any] | None:
    """Return the finish reason that says that the server gave up, if there is one."""
    reasons = (meta.get("finish_reason") or {} for meta in _metas(reply))
    return next((reason for reason in reasons if reason.get("type") == "abort"), None)


def data_url(encoded: str) -> str:
    """Return base64 of an image as a data URL that names its kind.

    >>> data_url("/9j/4AAQ")
    'data:image/jpeg;base64,/9j/4AAQ'
    """
    kind = KINDS.get(encoded[:4]) or KINDS.get(encoded[:2], "png")
    return f"data:image/{kind};base64,{encoded}"
