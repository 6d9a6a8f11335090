"""Records inputs, weights and outputs of TensorFlow Addons in one archive.

    python benchmarks/compare_tfa/record.py FILE.npz

Runs where TensorFlow 2.15 and tfa 0.23 are installed (`make compare-tfa` makes such
a place) and uses nothing else. Every number comes from a seed, so that two runs
write the same inputs and weights.

An array's name is `case/inputs/...`, `case/weights/...` (by the names that a TensorFlow
checkpoint of the tfa layer gives them) or `case/outputs/...`. The archive holds them one
after the other, and as JSON the facts: what each case is (its kind and the arguments that the
tfa object was made with), and the names, types and shapes of all arrays in order.
"""

import functools
import itertools
import json
import os
import sys
import tempfile
import zlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

seq2seq = tfa.seq2seq
# TensorFlow reports a state that only built a layer, and is not used further, as an error.
tf.get_logger().setLevel("FATAL")

BATCH, STEPS, POSITIONS, FEATURES, INPUTS, CELL = 3, 5, 7, 4, 3, 6
LENGTHS = np.array([POSITIONS, 4, 1], "int32")
# Long enough that tfa's parallel monotonic attention loses mass by its clipping.
LONG = 64
STEP_LENGTHS = np.array([3, 5, 1], "int32")
UNITS = {"Luong": CELL, "Bahdanau": 5}  # Luong's score needs the size of the query
VOCABULARY, START, END = 11, 1, 2
# Steps of beam search, and what is added to the logit of the end token.
BEAM_STEPS, BEAM_END = 8, {"lstm": 1.0, "gru": 3.0}
LUONG = ("LuongAttention", {"scale": True})
BAHDANAU = ("BahdanauAttention", {"normalize": True})
# With this seed the hard mechanisms move and greedy decoding ends at different lengths.
SEED = 1


class Case:
    """One comparison: its random numbers, and its arrays in the archive."""

    def __init__(self, name, kind, **facts):
        self.name, self.facts, self.arrays = name, {"kind": kind, **facts}, {}
        self.rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])

    def random(self, *shape):
        # Few binary digits: they compress, and every float type holds them exactly.
        return (np.round(self.rng.normal(size=shape) * 64) / 64).astype("float32")

    def draw(self, name, *shape):
        return self.put("inputs/" + name, self.random(*shape))

    def put(self, name, array):
        array = np.asarray(array)
        self.arrays[name] = array.astype("float32" if array.dtype.kind == "f" else "int32")
        return self.arrays[name]

    def set_weights(self, layer):
        """Gives every weight a random value, and records it under its name in a checkpoint.

        The names in `layer.weights` would not do: tfa's query and memory layers share one.
        """
        for variable in layer.weights:
            # Half as large, or a recurrence would amplify rounding.
            value = self.random(*variable.shape) / 2
            # A factor of about 2; a bias of either sign that leaves some scores above 0.
            variable.assign(2 + value if "attention_g" in variable.name else value)
        with tempfile.TemporaryDirectory() as folder:
            path = tf.train.Checkpoint(layer).write(os.path.join(folder, "checkpoint"))
            reader = tf.train.load_checkpoint(path)
            names = sorted(reader.get_variable_to_shape_map())
            for name in names:
                if name.endswith("VARIABLE_VALUE"):
                    self.put("weights/" + name, reader.get_tensor(name))


def mechanism(kind, case, number="", positions=POSITIONS, **arguments):
    """A tfa mechanism over its own memory of different lengths."""
    case.draw("memory" + number, BATCH, positions, FEATURES)
    case.put("inputs/lengths" + number, LENGTHS * positions // POSITIONS)
    units = UNITS["Luong" if kind.startswith("Luong") else "Bahdanau"]
    attention = getattr(seq2seq, kind)(units, **arguments)
    set_memory(attention, case, number)
    return attention


def set_memory(attention, case, number=""):
    """Projects the case's memory with the present weights."""
    memory = tf.constant(case.arrays["inputs/memory" + number])
    lengths = tf.constant(case.arrays["inputs/lengths" + number])
    attention([memory, lengths], setup_memory=True)


def cell_of(kind):
    cells = {"lstm": tf.keras.layers.LSTMCell, "gru": tf.keras.layers.GRUCell}
    cells = [cells[part](CELL) for part in kind.split("+")]
    return cells[0] if len(cells) == 1 else tf.keras.layers.StackedRNNCells(cells)


# Mechanisms ------------------------------------------------------------------------------------


def mechanisms():
    for kind, option in (("LuongAttention", "scale"), ("BahdanauAttention", "normalize")):
        for on in (False, True):
            yield kind, {option: on}, POSITIONS
        yield kind, {option: True, "probability_fn": "hardmax"}, POSITIONS
        monotonic = kind.replace("Attention", "MonotonicAttention")
        for mode, on in itertools.product(("recursive", "parallel", "hard"), (False, True)):
            yield monotonic, {option: on, "mode": mode}, POSITIONS
    for mode in ("recursive", "parallel"):
        yield "LuongMonotonicAttention", {"scale": False, "mode": mode}, LONG


def run_mechanism(kind, arguments, positions):
    name = "-".join([kind, *(f"{k}={v}" for k, v in arguments.items())])
    name += "" if positions == POSITIONS else f"-{positions}-positions"
    case = Case(name, "mechanism", **{"class": kind, "arguments": arguments})
    attention = mechanism(kind, case, positions=positions, **arguments)
    queries = case.draw("queries", BATCH, STEPS, CELL)
    state = attention.initial_state(BATCH, tf.float32)
    case.put("outputs/initial_state", state)
    attention([tf.constant(queries[:, 0]), state])  # builds it
    case.set_weights(attention)
    set_memory(attention, case)
    found = []
    for step in range(STEPS):
        alignments, state = attention([tf.constant(queries[:, step]), state])
        found.append(alignments)
    case.put("outputs/alignments", tf.stack(found, axis=1))
    case.put("outputs/final_state", state)
    return case


# AttentionWrapper ------------------------------------------------------------------------------


def wrappers():
    luong = ("LuongAttention", {"scale": True})
    bahdanau = ("BahdanauAttention", {"normalize": True})
    monotonic = ("BahdanauMonotonicAttention", {"mode": "recursive"})
    options = itertools.product(("lstm", "gru"), (None, 5), (True, False))
    for number, (cell, size, output_attention) in enumerate(options):
        yield cell, [(bahdanau, luong)[number % 2]], size, output_attention
    yield "lstm", [bahdanau], 5, False
    yield "gru", [luong], None, True
    yield "gru", [monotonic], 5, True
    yield "lstm+gru", [luong], 5, True
    yield "lstm", [luong, bahdanau], [3, 2], True


def wrapped(case, cell, kinds, size, output_attention):
    """An AttentionWrapper with random weights, and its first state."""
    several = len(kinds) > 1
    attentions = [
        mechanism(kind, case, str(i) if several else "", **arguments)
        for i, (kind, arguments) in enumerate(kinds)
    ]
    wrapper = seq2seq.AttentionWrapper(
        cell_of(cell),
        attentions if several else attentions[0],
        attention_layer_size=size,
        output_attention=output_attention,
        alignment_history=True,
    )
    first = wrapper.get_initial_state(batch_size=BATCH, dtype=tf.float32)
    wrapper(tf.zeros((BATCH, INPUTS)), first)  # builds it
    case.set_weights(wrapper)
    for number, attention in enumerate(attentions):
        set_memory(attention, case, str(number) if several else "")
    flat = [
        tf.constant(case.draw(f"cell_state{i}", *state.shape))
        for i, state in enumerate(tf.nest.flatten(first.cell_state))
    ]
    first = wrapper.get_initial_state(batch_size=BATCH, dtype=tf.float32)
    return wrapper, first.clone(cell_state=tf.nest.pack_sequence_as(first.cell_state, flat))


def put_state(case, state):
    for i, tensor in enumerate(tf.nest.flatten(state.cell_state)):
        case.put(f"outputs/cell_state{i}", tensor)
    case.put("outputs/attention", state.attention)
    histories = state.alignment_history
    for i, history in enumerate(histories if isinstance(histories, tuple) else [histories]):
        case.put(f"outputs/alignment_history{i}", history.stack())


def described(cell, kinds, size, output_attention):
    return {
        "cell": cell,
        "mechanisms": [{"class": kind, "arguments": arguments} for kind, arguments in kinds],
        "attention_layer_size": size,
        "output_attention": output_attention,
    }


def run_wrapper(cell, kinds, size, output_attention):
    name = (
        f"AttentionWrapper-{cell}-{'+'.join(kind for kind, _ in kinds)}"
        f"-attention_layer_size={size}-output_attention={output_attention}"
    )
    case = Case(name, "wrapper", **described(cell, kinds, size, output_attention))
    inputs = case.draw("inputs", BATCH, STEPS, INPUTS)
    wrapper, state = wrapped(case, cell, kinds, size, output_attention)
    outputs = []
    for step in range(STEPS):
        output, state = wrapper(tf.constant(inputs[:, step]), state)
        outputs.append(output)
    case.put("outputs/outputs", tf.stack(outputs, axis=1))
    put_state(case, state)
    return case


# Decoders --------------------------------------------------------------------------------------


def run_training(cell, sampling=None):
    """Teacher forcing over sequences of different lengths, or sampling of all later inputs.

    With a probability of 1 and very large logits the sampling is deterministic.
    """
    kinds, size = [("BahdanauAttention", {"normalize": False})], 5 if sampling is None else INPUTS
    facts = {**described(cell, kinds, size, True), "sampling": sampling}
    case = Case(f"BasicDecoder-{sampling or 'TrainingSampler'}-{cell}", "training", **facts)
    inputs = case.draw("inputs", BATCH, STEPS, INPUTS)
    wrapper, first = wrapped(case, cell, kinds, size, True)
    sampler, dense = seq2seq.TrainingSampler(), None
    if sampling == "ScheduledOutputTrainingSampler":
        sampler = seq2seq.ScheduledOutputTrainingSampler(1.0)
    if sampling == "ScheduledEmbeddingTrainingSampler":
        embedding = case.draw("embedding", VOCABULARY, INPUTS)
        sampler = seq2seq.ScheduledEmbeddingTrainingSampler(
            1.0, embedding_fn=lambda ids: tf.gather(embedding, ids)
        )
        dense = tf.keras.layers.Dense(VOCABULARY, use_bias=False)
        dense.build((None, size))
        dense.set_weights([case.put("inputs/output_kernel", 1024 * case.random(size, VOCABULARY))])
    decoder = seq2seq.BasicDecoder(wrapper, sampler, dense, impute_finished=True)
    outputs, state, _ = decoder(
        tf.constant(inputs),
        initial_state=first,
        sequence_length=tf.constant(case.put("inputs/sequence_length", STEP_LENGTHS)),
    )
    case.put("outputs/outputs", outputs.rnn_output)
    put_state(case, state)
    return case


def run_greedy(cell):
    kinds = [("LuongAttention", {"scale": False})]
    facts = described(cell, kinds, 5, True)
    case = Case(f"BasicDecoder-GreedyEmbeddingSampler-{cell}", "greedy", **facts)
    wrapper, first = wrapped(case, cell, kinds, 5, True)
    kernel, bias = case.draw("output_kernel", 5, VOCABULARY), case.draw("output_bias", VOCABULARY)
    # tfa may choose padding and start, which keras_attention never does.
    bias[[0, START]] = -1e4
    bias[END] += 2
    dense = tf.keras.layers.Dense(VOCABULARY)
    dense.build((None, 5))
    dense.set_weights([kernel, bias])
    decoder = seq2seq.BasicDecoder(
        wrapper,
        seq2seq.GreedyEmbeddingSampler(),
        output_layer=dense,
        impute_finished=True,
        maximum_iterations=2 * STEPS,
    )
    outputs, state, lengths = decoder(
        tf.constant(case.draw("embedding", VOCABULARY, INPUTS)),
        start_tokens=tf.fill([BATCH], START),
        end_token=END,
        initial_state=first,
    )
    case.put("outputs/sequences", outputs.sample_id)
    case.put("outputs/logits", outputs.rnn_output)
    case.put("outputs/lengths", lengths)
    put_state(case, state)
    return case


def beam_runs():
    """Number of beams, weight of the length penalty, weight of the coverage penalty."""
    yield 1, 0.0, 0.0
    yield 4, 0.0, 0.0
    yield 3, 1.0, 0.0
    yield 3, 0.0, 1.0
    yield 4, 0.6, 0.2
    # More beams than there are first tokens.
    yield VOCABULARY + 2, 0.8, 0.5


def run_beam(cell, kind):
    """Several searches with one set of weights: some hypotheses end, others are cut."""
    facts = {**described(cell, [kind], 5, True), "runs": []}
    case = Case(f"BeamSearchDecoder-{cell}-{kind[0]}", "beam", **facts)
    wrapper, first = wrapped(case, cell, [kind], 5, True)
    kernel, bias = case.draw("output_kernel", 5, VOCABULARY), case.draw("output_bias", VOCABULARY)
    bias[END] += BEAM_END[cell]
    dense = tf.keras.layers.Dense(VOCABULARY)
    dense.build((None, 5))
    dense.set_weights([kernel, bias])
    embedding = tf.constant(case.draw("embedding", VOCABULARY, INPUTS))
    (attention,) = wrapper._attention_mechanisms
    for number, (width, length_penalty, coverage_penalty) in enumerate(beam_runs()):
        tiled = functools.partial(seq2seq.tile_batch, multiplier=width)
        attention.setup_memory(
            tiled(tf.constant(case.arrays["inputs/memory"])),
            memory_sequence_length=tiled(tf.constant(case.arrays["inputs/lengths"])),
        )
        state = wrapper.get_initial_state(batch_size=BATCH * width, dtype=tf.float32)
        arguments = {
            "beam_width": width,
            "length_penalty_weight": length_penalty,
            "coverage_penalty_weight": coverage_penalty,
        }
        decoder = seq2seq.BeamSearchDecoder(
            wrapper, output_layer=dense, maximum_iterations=BEAM_STEPS, **arguments
        )
        outputs, state, lengths = decoder(
            embedding,
            start_tokens=tf.fill([BATCH], START),
            end_token=END,
            initial_state=state.clone(cell_state=tf.nest.map_structure(tiled, first.cell_state)),
        )
        steps = outputs.beam_search_decoder_output
        case.facts["runs"].append({**arguments, "max_length": BEAM_STEPS})
        for name, tensor in {
            "predicted_ids": outputs.predicted_ids,
            "step_ids": steps.predicted_ids,
            "parent_ids": steps.parent_ids,
            "step_scores": steps.scores,
            "lengths": lengths,
            "log_probs": state.log_probs,
            "finished": state.finished,
        }.items():
            case.put(f"outputs/{number}/{name}", tensor)
        if length_penalty and coverage_penalty and width < VOCABULARY:
            case.put(f"outputs/{number}/history", state.cell_state.alignment_history)
    return case


# Losses ----------------------------------------------------------------------------------------

REDUCTIONS = (
    "average_across_timesteps",
    "average_across_batch",
    "sum_over_timesteps",
    "sum_over_batch",
)


def run_losses():
    case = Case("sequence_loss", "losses", legal=[], refused=[])
    logits = tf.constant(case.draw("logits", BATCH, STEPS, VOCABULARY))
    targets = case.put("inputs/targets", case.rng.integers(0, VOCABULARY, (BATCH, STEPS)))
    weights = case.rng.uniform(0.5, 2.0, (BATCH, STEPS)).astype("float32")
    # With zeros, so that counting and summing the weights differ; an example and a step of zeros.
    weights[1, 3:] = weights[2] = weights[:, 4] = 0
    case.put("inputs/weights", weights)
    for flags in itertools.product((False, True), repeat=4):
        chosen = dict(zip(REDUCTIONS, flags))
        try:
            loss = seq2seq.sequence_loss(
                logits, tf.constant(targets), tf.constant(weights), **chosen
            )
        except ValueError:
            case.facts["refused"].append(chosen)
        else:
            case.put(f"outputs/{len(case.facts['legal'])}", loss)
            case.facts["legal"].append(chosen)
    loss = seq2seq.SequenceLoss()(tf.constant(targets), logits, tf.constant(weights))
    case.put("outputs/SequenceLoss", loss)
    return case


def main(path):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    cases = [run_mechanism(*row) for row in mechanisms()]
    cases += [run_wrapper(*row) for row in wrappers()]
    cases += [run_training(cell) for cell in ("lstm", "gru")]
    cases += [
        run_training("gru", f"Scheduled{what}TrainingSampler") for what in ("Embedding", "Output")
    ]
    cases += [run_greedy(cell) for cell in ("lstm", "gru")]
    cases += [run_losses()]
    cases += [run_beam("lstm", LUONG), run_beam("gru", BAHDANAU)]
    facts = {
        "versions": {"tensorflow": tf.__version__, "tensorflow_addons": tfa.__version__},
        "cases": {case.name: case.facts for case in cases},
    }
    assert len(facts["cases"]) == len(cases), "two cases of one name"
    write(path, facts, {f"{case.name}/{k}": v for case in cases for k, v in case.arrays.items()})
    print(f"{path}: {len(cases)} cases, {os.path.getsize(path):,} bytes")


def write(path, facts, arrays):
    """One flat array per dtype, since each file in an archive has a large overhead."""
    flat, index = {"float32": [], "int32": []}, {}
    for name, array in arrays.items():
        flat[array.dtype.name].append(array.ravel())
        index[name] = [array.dtype.name, list(array.shape)]
    facts = json.dumps({**facts, "arrays": index}, separators=(",", ":"))
    np.savez_compressed(
        path,
        facts=np.frombuffer(facts.encode(), "uint8"),
        **{dtype: np.concatenate(parts) for dtype, parts in flat.items()},
    )


if __name__ == "__main__":
    main(sys.argv[1])
