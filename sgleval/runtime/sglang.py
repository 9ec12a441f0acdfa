"""The backend: SGLang's own `RuntimeEndpoint` with several images, time-outs, retries, a ledger."""

import copy
from collections.abc import Mapping
from typing import Any, Self

from sgleval.errors import RunError
from sgleval.runtime.client import Client, RequestError
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


class SglangBackend(RuntimeEndpoint):  # type: ignore[misc]  # sglang has no types
    """A running SGLang server, for programs.

    It works under SGLang's own `run` and `run_batch` too. `opened()` gives the view that one
    program gets: with a ledger, and with errors inside forks noted instead of raised (their threads
    would die unseen and the program would wait for ever).
    """

    def __init__(
        self, client: Client, template: Template, extra: Mapping[str, Any] | None = None
    ) -> None:
        # The base class's constructor asks the server without a time-out and guesses the template.
        self.client = client
        self.base_url, self.api_key, self.verify = client.url, None, None
        self.support_concate_and_append = False  # would need a route that SGLang no longer has
        self.chat_template = template.for_frontend()
        self.extra = dict(extra or {})
        self.ledger: Ledger | None = None

    def opened(self, sample: Sample | None = None) -> Self:
        """Return the view for one program."""
        del sample  # a user's own model wants it; this one has everything in the prompt
        view = copy.copy(self)
        view.ledger = Ledger()
        return view

    def generate(self, s: Any, sampling_params: Any) -> tuple[str, dict[str, Any]]:
        """Answer one `gen`; the names of the parameters are SGLang's.

        Raises:
            RequestError: no answer, or one that cannot be trusted.
        """
        self._handle_dtype_to_regex(sampling_params)
        body = {"text": s.text_, "sampling_params": sampling_params.to_srt_kwargs()}
        for name in LOGPROB_FIELDS:
            if (value := getattr(sampling_params, name)) is not None:
                body[name] = value
        try:
            reply = self._ask(s, body)
        except (RequestError, RunError) as error:
            if self.ledger is None or not s.use_thread:
                raise
            self.ledger.errors.append(error)  # inside a fork
            return "", {}
        return reply["text"], reply["meta_info"]

    def commit_lazy_operations(self, s: Any) -> None:
        """Warm the prefix that forks share; where that fails the forks' own requests will tell."""
        try:
            self._ask(s, {"text": s.text_, "sampling_params": {"max_new_tokens": 0}})
        except RequestError:
            return

    fill_image = commit_lazy_operations

    def cache_prefix(self, prefix_str: str) -> None:
        """Warm a program's constant text; an optimisation must not stop a run."""
        try:
            self._post({"text": prefix_str, "sampling_params": {"max_new_tokens": 0}})
        except RequestError:
            return

    def _ask(self, s: Any, body: dict[str, Any]) -> dict[str, Any]:
        """Send a program's prompt and check the reply; an aborted one is tried once more."""
        self._add_images(s, body)
        for _ in range(2):
            reply = self._post(body)
            meta = reply["meta_info"]
            if meta["finish_reason"]["type"] != "abort":
                break
        else:
            raise RequestError(
                f"aborted: {meta['finish_reason'].get('message') or 'no reason given'}"
            )
        if s.images_ and not meta.get("image_tokens"):
            raise RequestError(
                f"the server dropped {len(s.images_)} image(s): no image tokens came back"
            )
        if self.ledger is not None:
            self.ledger.add(meta, images=bool(s.images_))
        return dict(reply)

    def _post(self, body: dict[str, Any]) -> Any:
        return self.client.post("/generate", body | self.extra)

    def _generate_http_request(self, s: Any, data: dict[str, Any]) -> Any:
        """Serve SGLang's `select`, whose prompts may be a list."""
        self._add_images(s, data)
        return self._post(data)

    def _add_images(self, s: Any, data: dict[str, Any]) -> None:
        """Add the original bytes as data URLs, in the program's order.

        Bare base64 of a JPEG begins with "/", which SGLang 0.5.23 takes for a file's path.
        """
        if not s.images_:
            return
        urls = [data_url(encoded) for _, encoded in s.images_]
        data["image_data"] = [urls] * len(data["text"]) if isinstance(data["text"], list) else urls


def data_url(encoded: str) -> str:
    """Return base64 of an image as a data URL that names its kind.

    >>> data_url("/9j/4AAQ")
    'data:image/jpeg;base64,/9j/4AAQ'
    """
    kind = KINDS.get(encoded[:4]) or KINDS.get(encoded[:2], "png")
    return f"data:image/{kind};base64,{encoded}"
