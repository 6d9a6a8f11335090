"""The cases that TensorFlow Addons computed, and what our layers compute for them.

`read` reads an archive of `benchmarks/compare_tfa/record.py`, such as tests/fixtures/tfa.npz.
`Case.differences` runs our counterpart of a case on the same inputs and weights.
"""

import json
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops, tree

from keras_attention import AttentionRNN, BahdanauAttention, LuongAttention
from keras_attention.generation import Greedy
from keras_attention.layers.scheduled_sampling import ScheduledEmbedding, ScheduledOutput
from keras_attention.normalizers import Monotonic
from keras_attention.text import END, START
from keras_attention.tfa import (
    SequenceLoss,
    load_tfa_weights,
    sequence_loss,
    tfa_beam_search,
    trace_back,
)
from tests.support.hypotheses import first_of

# Relative to the largest number of an array, or to 1: about 32 roundings of float32.
ROUNDING = 4e-6


@dataclass(frozen=True)
class Difference:
    """One array of a case, computed by both libraries.

    Attributes:
        case: the name of the case.
        what: the name of the array.
        ours, theirs: the two arrays.
    """

    case: str
    what: str
    ours: np.ndarray
    theirs: np.ndarray

    @property
    def largest(self):
        """The largest difference, divided by the largest number of the array if that is above 1."""
        if self.ours.shape != self.theirs.shape:
            return float("inf")
        # Minus infinity, the score of an unused beam, equals itself.
        same = self.ours == self.theirs
        ours, theirs = np.where(same, 0, self.ours), np.where(same, 0, self.theirs)
        finite = np.abs(self.theirs[np.isfinite(self.theirs)])
        found = np.abs(ours - theirs) / np.max(finite, initial=1)
        return float("inf") if np.isnan(found).any() else float(np.max(found, initial=0))


class Case:
    """One case of an archive: its facts (kind and arguments), and its arrays."""

    def __init__(self, name, facts, arrays):
        self.name, self.facts, self.arrays = name, facts, arrays

    def __getitem__(self, name):
        return self.arrays[name]

    def below(self, prefix):
        """The arrays whose names begin with `prefix/`, by the rest of their names."""
        start = prefix + "/"
        return {
            name.removeprefix(start): array
            for name, array in self.arrays.items()
            if name.startswith(start)
        }

    def mask(self, number=""):
        memory, lengths = self["inputs/memory" + number], self["inputs/lengths" + number]
        return np.arange(memory.shape[1]) < lengths[:, None]

    def differences(self):
        """Runs our counterpart: a `Difference` for each array that both libraries compute."""
        # An accelerator may multiply with less precision.
        with keras.device("cpu"):
            return [
                Difference(
                    self.name,
                    what,
                    ops.convert_to_numpy(ours),
                    self["outputs/" + theirs] if isinstance(theirs, str) else theirs,
                )
                for what, ours, theirs in COMPARISONS[self.facts["kind"]](self)
            ]


def read(path):
    """The facts and the cases of an archive."""
    with np.load(path, allow_pickle=False) as archive:
        facts = json.loads(archive["facts"].tobytes())
        flat = {dtype: archive[dtype] for dtype in ("float32", "int32")}
    begin, arrays = dict.fromkeys(flat, 0), {}
    for name, (dtype, shape) in facts["arrays"].items():
        end = begin[dtype] + int(np.prod(shape))
        case, _, rest = name.partition("/")
        arrays.setdefault(case, {})[rest] = flat[dtype][begin[dtype] : end].reshape(shape)
        begin[dtype] = end
    return facts, [Case(name, about, arrays[name]) for name, about in facts["cases"].items()]


# Our counterparts -------------------------------------------------------------------------------


def attention_of(kind, arguments, units):
    """Our counterpart of a tfa mechanism."""
    arguments = dict(arguments)
    normalizer = arguments.pop("probability_fn", "softmax")
    if "Monotonic" in kind:
        normalizer = Monotonic(arguments.pop("mode", "parallel"))
    preset = LuongAttention if kind.startswith("Luong") else BahdanauAttention
    return preset(units, normalizer=normalizer, **arguments)


def context_alone(output, context):
    """The attention vector of tfa's wrapper without an attention layer."""
    return context


def cell_of(kind, units):
    cells = {"lstm": keras.layers.LSTMCell, "gru": keras.layers.GRUCell}
    return [cells[part](units) for part in kind.split("+")]


def decoder_of(case):
    """Our counterpart of the case's AttentionWrapper, with its weights."""
    facts = case.facts
    units = case["inputs/cell_state0"].shape[-1]
    several = len(facts["mechanisms"]) > 1
    attentions = []
    for number, mechanism in enumerate(facts["mechanisms"]):
        kernel = f"_attention_mechanisms/{number}/memory_layer/kernel"
        size = case[f"weights/{kernel}/.ATTRIBUTES/VARIABLE_VALUE"].shape[1]
        attentions.append(attention_of(mechanism["class"], mechanism["arguments"], size))
    size = facts["attention_layer_size"]
    cells = cell_of(facts["cell"], units)
    decoder = AttentionRNN(
        cells if len(cells) > 1 else cells[0],
        attentions if several else attentions[0],
        attention_layer=sum(size) if several else size,
        attention_fn=context_alone if size is None else None,
        output_attention=facts["output_attention"],
    )
    memories = [case[f"inputs/memory{i}"] for i in range(len(attentions))] if several else None
    values = memories or case["inputs/memory"]
    masks = [case.mask(str(i)) for i in range(len(attentions))] if several else case.mask()
    inputs = case.arrays.get("inputs/inputs", case.arrays.get("inputs/embedding"))
    shapes = [value.shape for value in memories] if several else values.shape
    decoder.build((None, None, inputs.shape[-1]), shapes)
    load_tfa_weights(decoder, case.below("weights"))
    return decoder, values, masks


def cell_state(case):
    states = case.below("inputs")
    return [states[f"cell_state{i}"] for i in range(sum("cell_state" in name for name in states))]


# One function per kind of case; each yields (what, ours, theirs) --------------------------------


def compare_mechanism(case):
    facts, queries = case.facts, case["inputs/queries"]
    units = case["weights/memory_layer/kernel/.ATTRIBUTES/VARIABLE_VALUE"].shape[1]
    attention = attention_of(facts["class"], facts["arguments"], units)
    value, mask = case["inputs/memory"], case.mask()
    attention.build(queries.shape, value.shape)
    load_tfa_weights(attention, case.below("weights"))

    memory = attention.memory(value, mask=mask)
    state, found = attention.initial_state(memory), []
    if tree.flatten(state):
        yield "initial state", state.normalizer, "initial_state"
    for step in range(queries.shape[1]):
        _, weights, state = attention.step(queries[:, step], memory, state)
        found.append(weights)
    yield "step by step", ops.stack(found, axis=1), "alignments"
    if tree.flatten(state):
        yield "last state", state.normalizer, "final_state"
    _, weights = attention(queries, value, value_mask=mask, return_attention_scores=True)
    yield "all at once", weights, "alignments"


def compare_wrapper(case):
    decoder, values, masks = decoder_of(case)
    lengths = case.arrays.get("inputs/sequence_length")
    inputs = case["inputs/inputs"]
    steps = None if lengths is None else np.arange(inputs.shape[1]) < lengths[:, None]
    logits, sampling = sampling_of(case)
    outputs, weights, state = decoder(
        inputs,
        values,
        initial_state=cell_state(case),
        sequence_mask=steps,
        value_mask=masks,
        return_attention_scores=True,
        return_state=True,
        sampling=sampling,
        training=sampling is not None,
    )
    yield "outputs", logits(outputs), "outputs"
    yield from compare_state(case, state)
    for i, one in enumerate(weights if isinstance(weights, (list, tuple)) else [weights]):
        # tfa has time first, and attends after the end of a sequence as well.
        theirs = np.swapaxes(case[f"outputs/alignment_history{i}"], 0, 1)
        if steps is not None:
            theirs = np.where(steps[..., None], theirs, 0)
        yield f"alignments {i}", one, theirs


def sampling_of(case):
    """A function of the decoder's outputs, and the scheduled sampling, or None."""
    if case.facts.get("sampling") == "ScheduledOutputTrainingSampler":
        return ops.convert_to_tensor, ScheduledOutput(1.0)
    if case.facts.get("sampling") != "ScheduledEmbeddingTrainingSampler":
        return ops.convert_to_tensor, None
    kernel, embedding = case["inputs/output_kernel"], case["inputs/embedding"]

    def logits(vectors):
        return ops.matmul(vectors, kernel)

    def embed(ids):
        return ops.take(embedding, ids, axis=0)

    return logits, ScheduledEmbedding(1.0, logits, embed, size=len(embedding))


def compare_state(case, state):
    for i, tensor in enumerate(tree.flatten(state.cell)):
        yield f"cell state {i}", tensor, f"cell_state{i}"
    yield "last attention", state.attentional, "attention"


def model_of(case):
    """The case's decoder, embedding and output layer under the step protocol."""
    decoder, value, mask = decoder_of(case)
    embedding, kernel, bias = (
        ops.convert_to_tensor(case["inputs/" + name])
        for name in ("embedding", "output_kernel", "output_bias")
    )

    class Model:
        def start(self, inputs):
            memory = decoder.attention.memory(value, mask=mask)
            return {"memory": memory, "decoder": decoder.initial_state(memory, cell_state(case))}

        def step(self, tokens, state):
            inputs = ops.take(embedding, tokens, axis=0)
            vector, weights, after = decoder.step(inputs, state["memory"], state["decoder"])
            logits = ops.matmul(vector, kernel) + bias
            return logits, {"memory": state["memory"], "decoder": after}, weights

    return Model()


def compare_greedy(case):
    sequences, lengths = case["outputs/sequences"], case["outputs/lengths"]
    decoded = first_of(Greedy(max_length=sequences.shape[1])(model_of(case), None))
    yield "sequences", decoded.sequences, sequences
    yield "lengths", decoded.lengths, lengths
    written = np.arange(sequences.shape[1]) < lengths[:, None]
    logits = case["outputs/logits"].astype("float64")
    logp = logits - np.log(np.sum(np.exp(logits), axis=-1, keepdims=True))
    logp = np.take_along_axis(logp, sequences[..., None], axis=-1)[..., 0]
    yield "log-probability", decoded.scores, np.sum(logp * written, axis=1)
    history = np.swapaxes(case["outputs/alignment_history0"], 0, 1)
    yield "alignments", decoded.attention, np.where(written[..., None], history, 0)


def compare_beam(case):
    model = model_of(case)
    for number, settings in enumerate(case.facts["runs"]):
        theirs = case.below(f"outputs/{number}")
        found = tfa_beam_search(model, None, **settings)
        named = ", ".join(f"{name}={value}" for name, value in settings.items())
        ids = np.swapaxes(theirs["predicted_ids"], 1, 2)
        ended = np.cumsum(ids == END, axis=2) - (ids == END) > 0
        yield f"sequences, {named}", found.sequences, np.where(ended, 0, ids)
        # The order of unused beams depends on the backend's top_k.
        used = theirs["step_scores"] > -np.inf
        yield (
            f"step ids, {named}",
            ops.where(used, found.steps.predicted_ids, 0),
            theirs["step_ids"] * used,
        )
        yield (
            f"parents, {named}",
            ops.where(used, found.steps.parent_ids, 0),
            theirs["parent_ids"] * used,
        )
        yield f"lengths, {named}", found.lengths, theirs["lengths"]
        yield f"finished, {named}", found.finished, theirs["finished"]
        scores = theirs["step_scores"]
        yield f"scores, {named}", found.steps.scores, scores
        yield f"last scores, {named}", found.scores, scores[:, -1]
        yield f"log-probabilities, {named}", found.log_probs, theirs["log_probs"]
        if "history" in theirs:
            ours, history = alignment_history(model, found, theirs["history"])
            yield f"alignment history, {named}", ours, history


def alignment_history(model, found, theirs):
    """tfa's reordered `alignment_history`, rebuilt from our steps, and the recorded one.

    tfa indexes the weights of a step, which are in the order of the beams before
    it, by the beams after it; the result mixes hypotheses.
    """
    batch, width, steps = found.sequences.shape
    ids, parents = (np.asarray(x) for x in (found.steps.predicted_ids, found.steps.parent_ids))
    examples = np.repeat(np.arange(batch), width)
    state = tree.map_structure(
        lambda x: None if x is None else ops.take(x, examples, axis=0), model.start(None)
    )
    tokens, weights = np.full(batch * width, START, "int32"), []
    for t in range(steps):
        _, state, attended = model.step(tokens, state)
        weights.append(ops.convert_to_numpy(attended))
        chosen = examples * width + parents[:, t].ravel()
        state = tree.map_structure(
            lambda x, chosen=chosen: None if x is None else ops.take(x, chosen, axis=0), state
        )
        tokens = ids[:, t].ravel()
    shape = (steps, batch, width, -1)
    beams = np.asarray(trace_back(found.steps.parent_ids, ops.max(found.lengths, axis=1)))
    ours = np.swapaxes(np.reshape(np.stack(weights), shape), 0, 1)
    ours = np.take_along_axis(ours, beams[..., None], axis=2)
    inside = np.arange(steps)[:, None] < np.asarray(found.lengths)[:, None]
    theirs = np.swapaxes(np.reshape(theirs, shape), 0, 1)
    return ours * inside[..., None], theirs * inside[..., None]


def compare_losses(case):
    logits, targets, weights = (case["inputs/" + k] for k in ("logits", "targets", "weights"))
    for number, chosen in enumerate(case.facts["legal"]):
        named = " and ".join(name for name, on in chosen.items() if on) or "nothing reduced"
        yield named, sequence_loss(logits, targets, weights, **chosen), str(number)
    yield "SequenceLoss", SequenceLoss()(targets, logits, weights), "SequenceLoss"


COMPARISONS = {
    "mechanism": compare_mechanism,
    "wrapper": compare_wrapper,
    "training": compare_wrapper,
    "greedy": compare_greedy,
    "beam": compare_beam,
    "losses": compare_losses,
}


def largest_between(cases, others):
    """The largest difference of two archives; infinite if they hold different cases or arrays."""
    if [(case.name, case.facts, list(case.arrays)) for case in cases] != [
        (case.name, case.facts, list(case.arrays)) for case in others
    ]:
        return float("inf")
    return max(
        Difference(case.name, name, case[name], other[name]).largest
        for case, other in zip(cases, others)
        for name in case.arrays
    )
