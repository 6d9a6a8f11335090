"""The record of a beam search: what it kept, what it dropped, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import keras
import numpy as np
from keras import ops

from keras_attention._core.checks import check_positive
from keras_attention._core.types import Structure
from keras_attention.generation.beam_search import BeamSearch
from keras_attention.generation.decoder import DecoderLike
from keras_attention.generation.generate import Generation, Run
from keras_attention.generation.hypotheses import Hypotheses
from keras_attention.generation.reading import ReadsImages
from keras_attention.generation.recorded_beams import RecordedLoop, Step
from keras_attention.generation.stepper import POSSIBLE

Fate = Literal["start", "kept", "dropped", "ended", "cut", "beaten", "stopped"]
# Fate, score and reason of a node.
Outcome: TypeAlias = "tuple[Fate, float | None, str]"


class Choice(NamedTuple):
    """A token that may come next.

    Attributes:
        id: its id.
        token: the token.
        probability: of the model, given the tokens before, without constraints.

    Example:

    >>> from keras_attention.generation import Choice
    >>> Choice(7, "K", 0.5).token
    'K'
    """

    id: int
    token: str
    probability: float


class BeamNode(NamedTuple):
    """A hypothesis that a beam search looked at: its last token, and the node of those before.

    Attributes:
        parent: the number of the node that it extends, None for the start.
        position: the index of the token, from 0; -1 for the start.
        chosen: the token with its id and probability.
        log_probability: of all tokens up to this one, in nats.
        fate: `"kept"`: it was extended. `"dropped"`: it was not among the best
            of its step. `"ended"`, or `"cut"` at the largest length: it is
            among the results. `"beaten"`: it ended or was cut, but results have
            higher scores. `"stopped"`: it was unfinished when nothing could
            change the results any more. `"start"`: nothing is written yet.
        score: that of the results and of what they beat, after all penalties;
            None for the others.
        reason: the fate in words, with the numbers that decided it.
        attention: `(S,)`, or `(h, w)` over an image: the weights of this token.
        choices: the most probable tokens after this one, the best first; empty
            where it was not extended.

    Example:

    >>> from keras_attention.generation import BeamNode
    >>> BeamNode._fields[:3]
    ('parent', 'position', 'chosen')
    """

    parent: int | None
    position: int
    chosen: Choice
    log_probability: float
    fate: Fate
    score: float | None
    reason: str
    attention: Any
    choices: tuple[Choice, ...]


class BeamTree(NamedTuple):
    """A beam search for one input, see `beam_tree`.

    Attributes:
        nodes: the hypotheses, those of each step after those of the step
            before. The first is the start.
        best: the numbers of the nodes at which the results end, the best first.
        results: the same as texts.
        source_tokens: the tokens of the source; None for an image.

    Example:

    >>> from keras_attention.generation import BeamTree
    >>> BeamTree._fields
    ('nodes', 'best', 'results', 'source_tokens')
    """

    nodes: list[BeamNode]
    best: list[int]
    results: list[Generation]
    source_tokens: list[str] | None

    def path(self, node: int) -> list[int]:
        """The numbers of the nodes from the first token to `node`, which is the last."""
        numbers, at = [], self.nodes[node]
        while at.parent is not None:
            numbers.append(node)
            node = at.parent
            at = self.nodes[node]
        return numbers[::-1]


def beam_tree(
    model: DecoderLike | keras.Model,
    source: Structure,
    search: BeamSearch = BeamSearch(),  # noqa: B008 (frozen)
    prefix: Structure = None,
    num_dropped: int = 4,
    num_choices: int = 8,
) -> BeamTree:
    """Searches as `BeamSearch` does, and records every step.

    The results are those of the search. The steps run one by one, outside of a
    graph.

    Args:
        model: what `generate` takes.
        source: one text, the ids of one, one image, or a dictionary of them by
            source.
        search: a `BeamSearch` with its settings, penalties and constraints.
        prefix: what the text begins with, a string or ids, or None.
        num_dropped: how many dropped hypotheses are recorded at each step, the
            best of them.
        num_choices: how many tokens are recorded that may come next.

    Returns:
        A `BeamTree`.

    Raises:
        ValueError: as `generate`, and for another search.

    Example:

    >>> from keras_attention.generation import BeamSearch, beam_tree
    >>> from keras_attention.models import EncoderDecoder
    >>> model = EncoderDecoder.from_preset("g2p_en")
    >>> tree = beam_tree(model, "read", BeamSearch(num_beams=2))
    >>> [one.text for one in tree.results]
    ['R IY D', 'R EH D']
    >>> [tree.nodes[i].chosen.token for i in tree.path(tree.best[1])]
    ['R', 'EH', 'D', '<end>']
    >>> tree.nodes[tree.best[1]].reason
    'Ended; result 2 of 2, with the score -1.89.'
    """
    if type(search) is not BeamSearch:
        raise ValueError(f"search: expected a BeamSearch, received {search!r}.")
    check_positive("num_dropped", num_dropped)
    check_positive("num_choices", num_choices)
    inputs = {n: [one] for n, one in source.items()} if isinstance(source, Mapping) else [source]
    run = Run(model, inputs, search, False, None if prefix is None else [prefix], None)
    given, forced = run.inputs.batch([0]), run.further.get("prefix")
    loop = search._loop(RecordedLoop, run.searched, given, forced)
    found = loop.run()
    (results,) = run.written(found, search.n_best or search.num_beams)
    growth = _Growth(run, loop, found, num_dropped, num_choices)
    texts = [run.generation(0, *one) for one in results]
    return BeamTree(growth.nodes, growth.best, texts[: len(growth.best)], texts[0].source_tokens)


class _Growth:
    """The nodes of a recorded search, step after step."""

    def __init__(
        self, run: Run, loop: RecordedLoop, found: Hypotheses, num_dropped: int, num_choices: int
    ) -> None:
        self._run, self._loop = run, loop
        self._num_dropped, self._num_choices = num_dropped, num_choices
        self._results = _ranks(found)
        self._lowest = min((score for _, score in self._results.values()), default=0.0)
        self._written: list[tuple[int, ...]] = [()]
        start = Choice(run.special.start, run.target.name_of(run.special.start), 1.0)
        self._weights = [self._shown(step.weights) for step in loop.steps]
        nothing = np.zeros_like(self._weights[0][0])
        choices = self._choices(0, 0)
        self.nodes = [BeamNode(None, -1, start, 0.0, "start", None, "", nothing, choices)]
        beams = [0]
        for position in range(len(loop.steps)):
            beams = self._grow(position, beams)
        numbers = {ids: number for number, ids in enumerate(self._written)}
        self.best = [numbers[ids] for ids in self._results]

    def _grow(self, position: int, beams: list[int]) -> list[int]:
        """Adds the extensions of `beams`, nodes by slot, and returns those that go on."""
        step, end = self._loop.steps[position], self._run.special.end
        last = position + 1 == len(self._loop.steps)
        going_on: list[int] = []
        for slot, (parent, token, logp) in enumerate(step.kept):
            if logp <= POSSIBLE:
                # There were fewer extensions than beams. The slot is not looked at again.
                going_on.append(0)
                continue
            outcome = self._kept(step, slot)
            if last:
                outcome = self._unfinished((*self._written[beams[parent]], token), slot)
            choices = () if last else self._choices(position + 1, slot)
            going_on.append(self._add(position, beams, parent, token, outcome, choices))
        for parent in np.flatnonzero(step.ends).tolist():
            ids = (*self._written[beams[parent]], end)
            outcome = self._outcome(ids, "ended", float(step.scores[parent]))
            self._add(position, beams, parent, end, outcome)
        for parent, token in self._dropped(step):
            outcome = "dropped", None, self._why(step, parent, token)
            self._add(position, beams, parent, token, outcome)
        return going_on

    def _add(
        self,
        position: int,
        beams: list[int],
        slot: int,
        token: int,
        outcome: Outcome,
        choices: tuple[Choice, ...] = (),
    ) -> int:
        step, parent = self._loop.steps[position], beams[slot]
        chosen, total = self._choice(step.free[slot], token), float(step.totals[slot, token])
        weights = self._weights[position][slot]
        self.nodes.append(
            BeamNode(parent, position, chosen, total, *outcome, attention=weights, choices=choices)
        )
        self._written.append((*self._written[parent], token))
        return len(self.nodes) - 1

    def _kept(self, step: Step, rank: int) -> Outcome:
        count = sum(logp > POSSIBLE for *_, logp in step.kept)
        return "kept", None, f"Kept: number {rank + 1} of the {count} best that do not end."

    def _unfinished(self, ids: tuple[int, ...], rank: int) -> Outcome:
        """Of a hypothesis that has not ended when the search does."""
        limit = int(ops.convert_to_numpy(self._loop.limits).max())
        if len(ids) >= limit:
            rated = float(ops.convert_to_numpy(self._loop.rated)[0, rank])
            return self._outcome(ids, "cut", rated)
        reason = (
            f"Not ended: no continuation can have a score above {self._lowest:.2f}, the lowest of "
            f"the {len(self._results)} results, so the search stopped here."
        )
        return "stopped", None, reason

    def _outcome(self, ids: tuple[int, ...], fate: Fate, score: float) -> Outcome:
        """Of a hypothesis that ended or was cut."""
        did = "Ended" if fate == "ended" else f"Cut after {len(ids)} tokens"
        count = len(self._results)
        if ids in self._results:
            rank, score = self._results[ids]
            return fate, score, f"{did}; result {rank} of {count}, with the score {score:.2f}."
        reason = (
            f"{did}, but its score {score:.2f} is below {self._lowest:.2f}, the lowest of the "
            f"{count} results."
        )
        return "beaten", score, reason

    def _dropped(self, step: Step) -> list[tuple[int, int]]:
        """The beam and token of the best extensions that were dropped."""
        totals = step.totals.copy()
        special = self._run.special
        totals[:, list(special.never_generated)] = POSSIBLE
        totals[step.ends, special.end] = POSSIBLE
        for slot, token, _ in step.kept:
            totals[slot, token] = POSSIBLE
        best = np.argsort(-totals, axis=None, kind="stable")[: self._num_dropped]
        pairs = zip(*np.unravel_index(best, totals.shape))
        return [(int(s), int(t)) for s, t in pairs if totals[s, t] > POSSIBLE]

    def _why(self, step: Step, slot: int, token: int) -> str:
        """Why an extension was dropped."""
        total = float(step.totals[slot, token])
        going_on = [logp for *_, logp in step.kept]
        if token != self._run.special.end:
            return (
                f"Dropped: its log-probability {total:.2f} is below {going_on[-1]:.2f}, the "
                f"lowest of the {len(going_on)} that were kept."
            )
        ends = step.totals[:, self._run.special.end].tolist()
        least = sorted([*going_on, *ends], reverse=True)[len(going_on) - 1]
        return (
            f"Dropped: ending here, its log-probability {total:.2f} is below {least:.2f}, the "
            f"lowest of the {len(going_on)} best of this step."
        )

    def _choices(self, position: int, slot: int) -> tuple[Choice, ...]:
        """The most probable tokens at a step of one beam."""
        logp = self._loop.steps[position].free[slot].copy()
        logp[list(self._run.special.never_generated)] = -np.inf
        best = np.argsort(-logp, kind="stable")[: self._num_choices]
        return tuple(self._choice(logp, int(i)) for i in best if logp[i] > POSSIBLE)

    def _choice(self, logp: Any, token: int) -> Choice:
        return Choice(token, self._run.target.name_of(token), float(np.exp(logp[token])))

    def _shown(self, weights: Any) -> Any:
        """Weights `(K, S)` without padding, or `(K, h, w)` over an image."""
        text, model = self._run.inputs.text, self._run.model
        if isinstance(model, ReadsImages):
            return ops.convert_to_numpy(model.as_maps(weights)) if text is None else weights
        return weights if text is None else weights[:, : len(text.tokens[0])]


def _ranks(found: Hypotheses) -> dict[tuple[int, ...], tuple[int, float]]:
    """The rank, from 1, and the score of each result by its ids, in their order."""
    sequences, scores, lengths = (ops.convert_to_numpy(part)[0] for part in found[:3])
    return {
        tuple(ids[:length].tolist()): (rank + 1, float(score))
        for rank, (ids, score, length) in enumerate(zip(sequences, scores, lengths))
        if length > 0
    }
