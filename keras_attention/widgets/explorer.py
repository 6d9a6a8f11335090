"""AttentionExplorer: a model that answers in a notebook, with its attention and its search."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_attention._core.optional import require
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation import BeamSearch, BeamTree, as_decoder, beam_tree
from keras_attention.generation.decoder import DecoderLike
from keras_attention.generation.reading import Inputs
from keras_attention.models.generating import GeneratingModel
from keras_attention.plots import plot_attention, plot_caption
from keras_attention.widgets.answers import answer_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A text that is typed by mistake should not keep the kernel busy.
MOST_CHARACTERS = 2000
_DROPPED = 3


class AttentionExplorer:
    """A live view of a model: its answer, the attention of each token, and the beam search.

    As the last expression of a cell it shows, for a text that can be edited or
    an image that is picked among some,

    - the answer. A token that is pointed at lights the source tokens that it
      attends to, or the parts of the image; a source token lights the tokens
      that attend to it;
    - the most probable tokens at the place of a token that is clicked. The
      search goes on from the one that is chosen;
    - the beam search as columns of hypotheses, one a step, with the reason why
      each was kept, dropped or beaten; each can be shown and continued.

    Everything can be reached by keyboard. Python computes and the browser
    draws, so it needs a running kernel. Where there is none, as on a page that
    was made of the notebook, a picture of the alignment stands in its place.

    Args:
        model: an `EncoderDecoder`, a `Seq2Seq`, a `Captioner`, or another model
            that `generate` takes, with one source.
        source: a text; or images `(N, H, W, 3)`, numbers from 0 to 255, for a
            model that reads images.
        search: a `BeamSearch`; by default that of `compile(search=...)` if it
            is one, else `BeamSearch()`.

    Raises:
        ValueError: for a model that does not decode, another search, and inputs
            that do not fit the model.
        ImportError: without the extra `widgets`.

    Example:

    >>> from keras_attention.generation import BeamSearch
    >>> from keras_attention.models import EncoderDecoder
    >>> from keras_attention.widgets import AttentionExplorer
    >>> model = EncoderDecoder.from_preset("g2p_en")
    >>> explorer = AttentionExplorer(model, "read", BeamSearch(num_beams=2))
    >>> explorer.tree.results[0].text
    'R IY D'
    >>> explorer.force([explorer.tree.nodes[0].choices[1].id])
    >>> explorer.text = "knight"
    >>> explorer
    <AttentionExplorer: knight -> N AY T>
    """

    def __init__(
        self,
        model: DecoderLike | keras.Model,
        source: str | Tensor | Sequence[Tensor],
        search: BeamSearch | None = None,
    ) -> None:
        if search is None:
            given = model.search if isinstance(model, GeneratingModel) else None
            search = given if type(given) is BeamSearch else BeamSearch()
        self._model, self._search = model, search
        self._images: Sequence[Tensor] | None = None if isinstance(source, str) else source
        self._answered: tuple[str, int, list[int]] | None = None
        self._count = 0
        self._special = as_decoder(model).special_ids
        require("anywidget", "widgets")
        from keras_attention.widgets.view import ExplorerView

        if isinstance(source, str):
            view = ExplorerView(text=source)
        else:
            if not len(source) or np.ndim(source[0]) != 3:
                raise ValueError(
                    "source: expected a text or images (N, H, W, 3), received an array of shape "
                    f"{np.shape(source)}."
                )
            view = ExplorerView(images=[_png(image) for image in source])
        self._view: Any = view
        self._answer()
        view.observe(self._changed, ["text", "picked", "forced"])

    @property
    def widget(self) -> Any:
        """The `anywidget.AnyWidget` that is shown, for layouts of `ipywidgets`."""
        return self._view

    @property
    def tree(self) -> BeamTree:
        """The search of what is shown, a `keras_attention.generation.BeamTree`."""
        return self._tree

    @property
    def text(self) -> str:
        """The text that is read; setting it shows another answer."""
        return self._view.text

    @text.setter
    def text(self, text: str) -> None:
        self._view.text = text

    def force(self, ids: Sequence[int]) -> None:
        """Shows the answers that begin with these ids; `[]` is without."""
        self._view.forced = [int(i) for i in ids]

    def plot(self) -> Figure | None:
        """The best answer as a picture; None where there is no attention to draw.

        Returns:
            A figure of `plot_attention`, or of `plot_caption` for an image.
        """
        best = self._tree.results[0]
        if not best.tokens or not np.size(best.attention):
            return None
        if best.source_tokens is None:
            return plot_caption(self._source(), best.tokens, best.attention)
        return plot_attention(best.attention, best.source_tokens, best.tokens)

    def __repr__(self) -> str:
        source = f"image {self._view.picked + 1}" if self._images is not None else self.text
        return f"<AttentionExplorer: {source} -> {self._tree.results[0].text}>"

    def _repr_mimebundle_(
        self, include: Structure = None, exclude: Structure = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and the picture for pages without a kernel."""
        data, metadata = self._view._repr_mimebundle_()
        picture = self.plot()
        if picture is not None:
            file = io.BytesIO()
            picture.savefig(file, format="png")
            data["image/png"] = base64.b64encode(file.getvalue()).decode("ascii")
        return {**data, "text/plain": repr(self)}, metadata

    def _source(self) -> Structure:
        if self._images is None:
            return self._view.text
        return self._images[self._view.picked]

    def _changed(self, change: Any) -> None:
        view = self._view
        if change["name"] != "forced":
            # Tokens that were chosen for another source.
            view.forced = []
        if (view.text, view.picked, view.forced) == self._answered:
            return
        try:
            self._answer()
        except Exception as error:
            # In a notebook nobody sees what a change raises.
            self._send({"error": f"{error}"})

    def _answer(self) -> None:
        """Searches, and sends what was found to the browser."""
        view = self._view
        self._answered = view.text, view.picked, list(view.forced)
        if len(view.text) > MOST_CHARACTERS:
            raise ValueError(
                f"text: expected at most {MOST_CHARACTERS} characters, received {len(view.text)}."
            )
        source, forced = self._source(), list(view.forced) or None
        self._tree = beam_tree(self._model, source, self._search, forced, num_dropped=_DROPPED)
        self._send({**answer_of(self._tree), "notice": self._notice(source)})

    def _send(self, answer: dict[str, Any]) -> None:
        self._count += 1
        settings = {"num_beams": self._search.num_beams, "end": self._special.end}
        forced = list(self._view.forced)
        # With a number, so that the browser is told of an answer that is as the one before.
        self._view.answer = {**settings, "forced": forced, **answer, "number": self._count}

    def _notice(self, source: Structure) -> str:
        """What is unknown among the tokens of a text."""
        text = Inputs(self._model, self._special, [source]).text
        if text is None:
            return ""
        if not text.tokens[0]:
            return "The text is empty."
        unknown = text.side.special_ids.unknown
        tokens = [token for token, i in zip(text.tokens[0], text.ids[0]) if i == unknown]
        return f"Not in the vocabulary: {' '.join(dict.fromkeys(tokens))}" if tokens else ""


def _png(image: Tensor) -> bytes:
    file = io.BytesIO()
    pixels = np.clip(np.round(np.asarray(image)), 0, 255).astype("uint8")
    if pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    require("PIL.Image", "widgets").fromarray(pixels).save(file, "PNG")
    return file.getvalue()
