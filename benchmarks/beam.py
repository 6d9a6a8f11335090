"""Beam search: 30 steps of 4 beams, with all hypotheses traced back.

Vocabulary 4,000, embedding 128, GRU of 256, Luong's attention over 20 positions, attentional layer
of 256 with input feeding. The memory is given. All have the same weights. The end token is made
impossible, so that all 30 steps run, and there is no penalty: then all cases find the same
hypotheses with the same scores, although tfa keeps one set of beams and this library two, of
unfinished and of finished hypotheses. This library returns the attention of each hypothesis too.
tfa's decoder cannot be compiled by XLA. "tfa's own way" is `tfa_beam_search`, which repeats tfa's
algorithm exactly.
"""

import functools

from harness import Case, Comparison

OURS, XLA, SAME, TFA = "keras_attention", "keras_attention, XLA", "tfa's own way", "tfa"
# At most this share of tfa's time, by batch, under XLA, which can compile ours at fixed sizes.
CLAIMED = {1: 0.9, 16: 0.5, 64: 0.5}


def comparisons(smoke):
    return [Comparison(f"batch {batch}", _cases(batch, smoke)) for batch in CLAIMED]


def _cases(batch, smoke):
    size = {"sizes": (batch, 3, 4, 2, 15, 5, 6) if smoke else (batch, 20, 30, 4, 4000, 128, 256)}
    return [
        Case(OURS, "project", ours, size),
        Case(XLA, "project", ours, {**size, "xla": True}),
        Case(SAME, "project", ours, {**size, "as_tfa": True}),
        Case(TFA, "tfa", tfa, size),
    ]


def summary(measured):
    section = {}
    for label, cases in measured.items():
        theirs = cases.get(TFA, {}).get("ms")
        section[label] = {
            f"time_ratio_tfa{suffix}": round(cases[name]["ms"] / theirs, 3) if theirs else None
            for suffix, name in (("", XLA), ("_without_xla", OURS), ("_own_way", SAME))
        }
    return section


def claims(section):
    rows = []
    for batch, most in CLAIMED.items():
        ratio = section[f"batch {batch}"]["time_ratio_tfa"]
        sentence = f"beam search of batch {batch} under XLA takes at most {most} of tfa's time"
        rows.append((sentence, None if ratio is None else ratio <= most))
    return rows


def inputs(sizes):
    """The memory, the cell's first state, and the weights by name."""
    import numpy as np

    batch, source, _, _, vocabulary, embedding, units = sizes
    rng = np.random.default_rng(0)
    shapes = {
        "embedding": (vocabulary, embedding),
        "kernel": (embedding + units, 3 * units),
        "recurrent": (units, 3 * units),
        "key": (units, units),
        "layer": (2 * units, units),
        "logits": (units, vocabulary),
    }
    weights = {
        name: (rng.normal(size=shape) / np.sqrt(shape[0])).astype("float32")
        for name, shape in shapes.items()
    }
    # Large, so that scores of hypotheses differ by more than rounding.
    weights["embedding"] *= np.sqrt(vocabulary)
    weights["logits"] *= 4
    # Padding, start and end are never written; this library never writes padding and start.
    bias = np.where(np.arange(vocabulary) < 3, -1e9, 0).astype("float32")
    memory = rng.normal(size=(batch, source, units)).astype("float32")
    return memory, rng.normal(size=(batch, units)).astype("float32"), weights, bias


def ours(sizes, xla=False, as_tfa=False):
    import tensorflow as tf
    from keras import layers

    from keras_attention import AttentionRNN, LuongAttention
    from keras_attention.generation import BeamSearch
    from keras_attention.tfa import tfa_beam_search

    _, _, steps, width, vocabulary, embedding, units = sizes
    memory, first, values, bias = inputs(sizes)
    embed, logits = layers.Embedding(vocabulary, embedding), layers.Dense(vocabulary)
    cell, attention = layers.GRUCell(units), LuongAttention(units)
    decoder = AttentionRNN(cell, attention, attention_layer=units)
    embed.build()
    decoder.build((None, None, embedding), (None, None, units))
    logits.build((None, units))
    embed.embeddings.assign(values["embedding"])
    cell.kernel.assign(values["kernel"])
    cell.recurrent_kernel.assign(values["recurrent"])
    attention.score.key_projection.kernel.assign(values["key"])
    decoder.attention_layer.kernel.assign(values["layer"])
    logits.kernel.assign(values["logits"])
    logits.bias.assign(bias)

    class Model:
        constant_parts = ("memory",)

        def start(self, inputs):
            value, first = inputs
            memory = attention.memory(value)
            return {"memory": memory, "decoder": decoder.initial_state(memory, [first])}

        def step(self, tokens, state, beams=1):
            vector, weights, after = decoder.step(
                embed(tokens), state["memory"], state["decoder"], beams=beams
            )
            return logits(vector), {**state, "decoder": after}, weights

    model = Model()
    search = BeamSearch(num_beams=width, max_length=steps)
    if as_tfa:
        search = functools.partial(tfa_beam_search, beam_width=width, max_length=steps)

    @tf.function(jit_compile=xla, autograph=False)
    def run(memory, first):
        return search(model, (memory, first))

    memory, first = tf.constant(memory), tf.constant(first)
    run.get_concrete_function(memory, first)

    def once():
        found = run(memory, first)
        return found.sequences.numpy(), found.scores.numpy()

    return once


def tfa(sizes):
    import tensorflow as tf
    from tensorflow_addons import seq2seq

    batch, _, steps, width, vocabulary, embedding, units = sizes
    memory, first, values, bias = inputs(sizes)
    logits = tf.keras.layers.Dense(vocabulary)
    logits.build((None, units))
    logits.set_weights([values["logits"], bias])
    attention = seq2seq.LuongAttention(units)
    cell = tf.keras.layers.GRUCell(units)
    wrapper = seq2seq.AttentionWrapper(cell, attention, attention_layer_size=units)
    decoder = seq2seq.BeamSearchDecoder(
        wrapper, width, output_layer=logits, maximum_iterations=steps
    )
    embedded = tf.constant(values["embedding"])

    def search(memory, first):
        attention.setup_memory(seq2seq.tile_batch(memory, width))
        state = wrapper.get_initial_state(batch_size=batch * width, dtype=tf.float32)
        found, _, _ = decoder(
            embedded,
            start_tokens=tf.fill([batch], 1),
            end_token=2,
            initial_state=state.clone(cell_state=seq2seq.tile_batch(first, width)),
        )
        scores = found.beam_search_decoder_output.scores[:, -1]
        return tf.transpose(found.predicted_ids, (0, 2, 1)), scores

    memory, first = tf.constant(memory), tf.constant(first)
    wrapper(tf.zeros((batch, embedding)), _first_state(wrapper, attention, memory))
    cell.kernel.assign(values["kernel"])
    cell.recurrent_kernel.assign(values["recurrent"])
    attention.memory_layer.kernel.assign(values["key"])
    wrapper._attention_layers[0].kernel.assign(values["layer"])
    run = tf.function(search)
    run.get_concrete_function(memory, first)
    return lambda: [array.numpy() for array in run(memory, first)]


def _first_state(wrapper, attention, memory):
    """The first state of a tfa decoder without beams; calling with it builds the decoder."""
    attention.setup_memory(memory)
    return wrapper.get_initial_state(batch_size=memory.shape[0], dtype="float32")
