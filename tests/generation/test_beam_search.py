"""Beam search, against plain loops, against all sequences there are, and as it is used."""

import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from keras_attention import Attention, AttentionRNN, BahdanauAttention, LuongAttention
from keras_attention.generation import BeamSearch, Greedy, score
from keras_attention.models import EncoderDecoder
from keras_attention.text import END, START
from tests.support.hypotheses import first_of
from tests.support.plain_search import Path, Toy, plain_search
from tests.support.tables import one_in, thinned

SOURCE = np.array([[5, 6, 7, 8], [9, 4, 0, 0], [3, 11, 12, 0]], "int32")
PREFIX = np.array([[5, 0, 0], [6, 7, 4], [0, 8, 2]], "int32")
LONGEST = 6


def gnmt(alpha):
    return lambda logp, tokens: logp / ((5 + len(tokens)) / 6) ** alpha


def without_repeats(n):
    def allowed(tokens, token):
        grams = [tokens[i : i + n] for i in range(len(tokens) - n + 1)]
        return (*tokens[len(tokens) - n + 1 :], token) not in grams

    return allowed


# What the search is told, and the same for the plain one, of the source's length s and its path.
SETTINGS = {
    "plain": ({}, lambda s, path: {}),
    "one beam": ({"num_beams": 1}, lambda s, path: {"width": 1}),
    "wide, few wanted": ({"num_beams": 7, "n_best": 2}, lambda s, path: {"width": 7, "n_best": 2}),
    "gnmt": ({"length_penalty": 1.0}, lambda s, path: {"score": gnmt(1.0)}),
    "average": (
        {"length_penalty": "average"},
        lambda s, path: {"score": lambda logp, tokens: logp / len(tokens)},
    ),
    "coverage": (
        {"length_penalty": 0.6, "coverage_penalty": 0.5},
        lambda s, path: {"score": covering(path, 0.6, 0.5)},
    ),
    "shorter than the source": (
        {"max_length_ratio": 1.25, "length_penalty": 0.6},
        lambda s, path: {"longest": min(LONGEST, int(np.ceil(1.25 * s))), "score": gnmt(0.6)},
    ),
    "minimum": (
        {"min_length": 4},
        lambda s, path: {"allowed": lambda tokens, token: token != END or len(tokens) >= 3},
    ),
    "minimum by the source": (
        {"min_length_ratio": 1.0},
        lambda s, path: {"allowed": lambda tokens, token: token != END or len(tokens) + 1 >= s},
    ),
    "no token twice": ({"no_repeat_ngram": 1}, lambda s, path: {"allowed": without_repeats(1)}),
    "no bigram twice": ({"no_repeat_ngram": 2}, lambda s, path: {"allowed": without_repeats(2)}),
    "no trigram twice": ({"no_repeat_ngram": 3}, lambda s, path: {"allowed": without_repeats(3)}),
    "banned": (
        {"banned": [3, 7]},
        lambda s, path: {"allowed": lambda tokens, token: token not in (3, 7)},
    ),
}


def covering(path, alpha, beta):
    def of(logp, tokens):
        seen = np.minimum(path.attention(tokens).sum(axis=0), 1)
        return gnmt(alpha)(logp, tokens) + beta * np.sum(np.log(np.maximum(seen, 1e-6)))

    return of


@pytest.fixture(scope="module")
def toy():
    return Toy(seed=3, end_bias=0.5)


def require_equal(found, expected, path, row):
    """Row `row` of what was found against `(score, tokens)` in order."""
    for n, (its_score, tokens) in enumerate(expected):
        assert int(found.lengths[row, n]) == len(tokens)
        sequence = np.asarray(found.sequences)[row, n]
        assert tuple(sequence[: len(tokens)]) == tokens
        assert not sequence[len(tokens) :].any()
        np.testing.assert_allclose(found.scores[row, n], its_score, rtol=1e-4, atol=1e-5)
        attention = np.asarray(found.attention)[row, n]
        expected_attention = path.attention(tokens)
        at = expected_attention.shape
        np.testing.assert_allclose(
            attention[: at[0], : at[1]], expected_attention, rtol=1e-3, atol=1e-5
        )
        assert not attention[at[0] :].any() and not attention[:, at[1] :].any()


@pytest.mark.parametrize("prefix", [None, PREFIX], ids=["", "prefix"])
@pytest.mark.parametrize("name", SETTINGS)
def test_equals_plain_loops(toy, name, prefix):
    settings, for_plain = SETTINGS[name]
    settings = {"num_beams": 3, "max_length": LONGEST, **settings}
    found = BeamSearch(**settings)(toy, SOURCE, prefix)
    widest = 0
    for row, source in enumerate(SOURCE):
        path = Path(toy, source)
        plain = {"width": 3, "longest": LONGEST, **for_plain(path.length, path)}
        forced = () if prefix is None else tuple(prefix[row])
        expected = plain_search(path, prefix=forced, **plain)
        require_equal(found, expected, path, row)
        widest = max(widest, *(len(tokens) for _, tokens in expected))
        for n in range(len(expected), found.scores.shape[1]):
            assert float(found.scores[row, n]) < -1e29
            assert int(found.lengths[row, n]) == 0
            assert not np.any(found.sequences[row, n]) and not np.any(found.attention[row, n])
    assert found.sequences.shape[2] == found.attention.shape[2] == widest
    assert found.sequences.dtype == "int32" and found.lengths.dtype == "int32"


def test_rows_that_are_cut_by_their_sources_keep_what_they_had():
    """Where none ends, all hypotheses wait, cut, while other rows go on."""
    toy = Toy(seed=3, end_bias=-9.0)
    found = BeamSearch(
        num_beams=3, max_length=LONGEST, max_length_ratio=1.25, coverage_penalty=0.5
    )(toy, SOURCE)
    for row, source in enumerate(SOURCE):
        path = Path(toy, source)
        longest = min(LONGEST, int(np.ceil(1.25 * path.length)))
        expected = plain_search(path, 3, longest, covering(path, 0.0, 0.5))
        require_equal(found, expected, path, row)


def test_as_wide_as_the_space_it_finds_the_best_of_all_sequences():
    toy = Toy(vocabulary=6, seed=1, end_bias=1.0)
    found = BeamSearch(num_beams=3**4, n_best=5, max_length=4, length_penalty=0.8)(toy, SOURCE[:2])
    for row in range(2):
        path, everything = Path(toy, SOURCE[row]), []
        for length in range(1, 5):
            for start in itertools.product((3, 4, 5), repeat=length - 1):
                last = (2, 3, 4, 5) if length == 4 else (2,)
                everything += [(*start, token) for token in last]
        rated = []
        for tokens in everything:
            logp = sum(path(tokens[:i])[0][token] for i, token in enumerate(tokens))
            rated.append((gnmt(0.8)(logp, tokens), tokens))
        require_equal(found, sorted(rated, reverse=True)[:5], path, row)


ATTENTIONS = {
    "luong": lambda: LuongAttention(),
    "bahdanau": lambda: BahdanauAttention(6),
    "coverage": lambda: Attention("coverage"),
    "monotonic": lambda: BahdanauAttention(6, normalizer="monotonic"),
}


def made(attention, **settings):
    keras.utils.set_random_seed(4)
    model = EncoderDecoder(
        14, 9, embedding_dim=4, units=6, encoder="gru", attention=attention, **settings
    )
    rng = np.random.default_rng(4)
    # Sharper than at the start, so that different sources give different answers.
    for variable in model.trainable_variables:
        variable.assign(variable + 0.6 * rng.normal(size=variable.shape))
    model.logits.bias.assign(np.eye(9)[END] * 1.5)
    return model


@pytest.fixture(scope="module", params=ATTENTIONS)
def model(request):
    attend = "before" if request.param == "bahdanau" else "after"
    return made(ATTENTIONS[request.param](), attend=attend)


@pytest.mark.parametrize("model", one_in(2, ATTENTIONS), indirect=True)
def test_our_models_are_searched_in_graphs_of_unknown_dimensions(model):
    """With the state of each attention, padding and neighbours, against rows searched alone."""
    search = BeamSearch(num_beams=3, max_length=LONGEST, length_penalty=0.6)
    run = tf.function(
        lambda source: search(model, source),
        input_signature=[tf.TensorSpec((None, None), tf.int32)],
        autograph=False,
    )
    found = run(tf.constant(np.pad(SOURCE, [(0, 0), (0, 2)])))
    for row, source in enumerate(SOURCE):
        path = Path(model, source)
        require_equal(found, plain_search(path, 3, LONGEST, gnmt(0.6)), path, row)
    alone = run(tf.constant(SOURCE[1:2, :2]))
    np.testing.assert_allclose(alone.scores[0], found.scores[1], rtol=1e-4)


def test_one_beam_is_greedy(model):
    found, expected = (
        BeamSearch(num_beams=1, max_length=9)(model, SOURCE),
        first_of(Greedy(max_length=9)(model, SOURCE)),
    )
    assert np.array_equal(found.sequences[:, 0], expected.sequences)
    assert np.array_equal(found.lengths[:, 0], expected.lengths)
    np.testing.assert_allclose(found.scores[:, 0], expected.scores, rtol=1e-4)
    np.testing.assert_allclose(found.attention[:, 0], expected.attention, rtol=1e-3, atol=1e-6)


def test_the_scores_are_those_of_the_sequences(model):
    """Each hypothesis fed back by `score`: none has lost its state on the way."""
    found = BeamSearch(num_beams=3, max_length=LONGEST)(model, SOURCE)
    for n in range(3):
        scored = score(model, SOURCE, found.sequences[:, n])
        np.testing.assert_allclose(scored.scores, found.scores[:, n], rtol=1e-4)
        np.testing.assert_allclose(scored.attention, found.attention[:, n], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("ends", thinned([-1.0, 1.0, 3.0], lambda ends: ends != 1.0))
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"length_penalty": 0.6},
        {"length_penalty": 2.0},
        {"length_penalty": "average"},
        {"length_penalty": 1.0, "coverage_penalty": 0.3},
        {"length_penalty": "average", "coverage_penalty": 1.0, "max_length_ratio": 2.5},
        {"max_length_ratio": 1.5, "min_length": 3},
        {"n_best": 1, "no_repeat_ngram": 2},
    ],
    ids=str,
)
def test_an_early_stop_changes_nothing(ends, settings):
    toy = Toy(seed=5, end_bias=ends)
    settings = {"num_beams": 4, "max_length": 14, **settings}
    early = BeamSearch(**settings)(toy, SOURCE)
    late = BeamSearch(early_stop=False, **settings)(toy, SOURCE)
    for one, other in zip(early, late):
        assert np.array_equal(one, other)


def test_an_early_stop_comes_early():
    class Counting(Toy):
        steps = 0

        def step(self, tokens, state):
            Counting.steps += 1
            return super().step(tokens, state)

    toy = Counting(seed=5, end_bias=4.0)
    counts = []
    for stop in (True, False):
        Counting.steps = 0
        BeamSearch(max_length=40, length_penalty=0.6, early_stop=stop)(toy, SOURCE)
        counts.append(Counting.steps)
    assert counts[0] < 30 and counts[1] == 40


def test_a_finished_hypothesis_is_never_evicted():
    """A good short one is found, though many longer ones look better for a while."""

    class Late:
        def start(self, inputs):
            return {"t": tf.zeros_like(tf.convert_to_tensor(inputs)[:, 0])}

        def step(self, tokens, state):
            # Ends at once with 0.3; else all goes on well, and ends badly.
            first = tf.cast(state["t"] == 0, tf.float32)[:, None]
            start = tf.math.log([1e-9, 1e-9, 0.3, 0.35, 0.35])
            later = tf.math.log([1e-9, 1e-9, 1e-6, 0.5, 0.5])
            logits = first * start + (1 - first) * later
            return logits, {"t": state["t"] + 1}, None

    found = BeamSearch(num_beams=3, max_length=12)(Late(), np.array([[5], [6]]))
    assert found.sequences[:, 0, 0].numpy().tolist() == [END, END]
    np.testing.assert_allclose(found.scores[:, 0], np.log(0.3), rtol=1e-4)
    assert found.attention.shape[-1] == 0


@pytest.fixture(scope="module")
def compiled_and_eager(toy):
    search = BeamSearch(
        num_beams=3,
        max_length=LONGEST,
        length_penalty=0.6,
        coverage_penalty=0.2,
        max_length_ratio=1.5,
        no_repeat_ngram=2,
        min_length=2,
        banned=[4],
    )
    return search, search(toy, SOURCE, PREFIX)


def test_compiles_with_fixed_shapes(toy, compiled_and_eager):
    search, expected = compiled_and_eager
    run = tf.function(lambda *a: search(toy, *a), jit_compile=True, autograph=False)
    for one, other in zip(run(tf.constant(SOURCE), tf.constant(PREFIX)), expected):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_compiles_our_model_with_fixed_shapes():
    model, search = made(None), BeamSearch(num_beams=3, max_length=LONGEST)
    run = tf.function(lambda source: search(model, source), jit_compile=True, autograph=False)
    for one, other in zip(run(tf.constant(SOURCE)), search(model, SOURCE)):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def onnx_of(function, names):
    """A function of one dictionary of int32 matrices, run by onnxruntime."""
    onnxruntime, tf2onnx = pytest.importorskip("onnxruntime"), pytest.importorskip("tf2onnx")
    from keras_attention._core.quiet import quiet

    def named(tensors):
        found = function(*(tensors[name] for name in names))._asdict()
        return {name: tf.identity(tensor) for name, tensor in found.items()}

    specs = {name: tf.TensorSpec((None, None), tf.int32, name) for name in names}
    with quiet():
        proto, _ = tf2onnx.convert.from_function(
            tf.function(named, autograph=False), input_signature=[specs], opset=18
        )
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    outputs = [output.name for output in session.get_outputs()]
    return lambda *given: dict(zip(outputs, session.run(None, dict(zip(names, given)))))


def require_same(found, expected):
    for name, tensor in expected._asdict().items():
        assert found[name].shape == tuple(tensor.shape), name
        if "int" in str(found[name].dtype):
            assert np.array_equal(found[name], tensor), name
        else:
            np.testing.assert_allclose(found[name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_converts_to_onnx_with_everything_on(toy, compiled_and_eager):
    search, expected = compiled_and_eager
    run = onnx_of(lambda source, prefix: search(toy, source, prefix), ["source", "prefix"])
    require_same(run(SOURCE, PREFIX), expected)
    require_same(run(SOURCE[1:2], PREFIX[1:2, :1]), search(toy, SOURCE[1:2], PREFIX[1:2, :1]))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["bahdanau", "coverage"], indirect=True)
def test_our_models_convert_to_onnx(model):
    search = BeamSearch(num_beams=3, max_length=LONGEST, length_penalty=0.6)
    run = onnx_of(lambda source: search(model, source), ["source"])
    for source in (SOURCE, SOURCE[1:2, :2]):
        require_same(run(source), search(model, source))


def test_a_large_vocabulary_is_searched_in_blocks():
    """Too large to be sorted out directly, and no multiple of a block."""
    toy = Toy(vocabulary=2503, seed=2, sharp=1.0)
    found = BeamSearch(num_beams=4, max_length=4)(toy, SOURCE)
    for row, source in enumerate(SOURCE):
        path = Path(toy, source)
        require_equal(found, plain_search(path, 4, 4), path, row)


def test_a_functional_model_of_the_users_own():
    """Ten lines make an encoder and a decoder, trained as one model, a model that is searched."""
    keras.utils.set_random_seed(0)
    source, target = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    read, written = layers.Embedding(14, 4, mask_zero=True), layers.Embedding(9, 4, mask_zero=True)
    recurrent = layers.GRU(6, return_sequences=True, return_state=True)
    memory, final = recurrent(read(source))
    decoder = AttentionRNN(layers.GRUCell(6), LuongAttention(), attention_layer=6)
    logits = layers.Dense(9)
    model = keras.Model(
        [source, target], logits(decoder(written(target), memory, initial_state=final))
    )
    for variable in model.trainable_variables:
        variable.assign(variable * 3)
    encoder = keras.Model(source, [memory, final])

    class Searched:
        def start(self, inputs):
            value, final = encoder(inputs)
            memory = decoder.attention.memory(value, mask=ops.not_equal(inputs, 0))
            return memory, decoder.initial_state(memory, final)

        def step(self, tokens, state):
            memory, before = state
            vector, weights, after = decoder.step(written(tokens), memory, before)
            return logits(vector), (memory, after), weights

    found = BeamSearch(num_beams=2, max_length=5)(Searched(), SOURCE)
    for n in range(2):
        ids = np.asarray(found.sequences[:, n])
        given = np.pad(ids, [(0, 0), (1, 0)], constant_values=START)[:, :-1]
        logp = ops.log_softmax(model([SOURCE, np.where(ids != 0, given, 0)]))
        expected = np.take_along_axis(np.asarray(logp), ids[..., None], axis=2)[..., 0]
        np.testing.assert_allclose(
            np.sum(expected * (ids != 0), axis=1), found.scores[:, n], rtol=1e-4
        )


class Transformer:
    """A decoder of one layer, with the keys and values of what was written as its state."""

    constant_parts = ("keys", "values", "mask")

    def __init__(self, size=8, vocabulary=9):
        rng = np.random.default_rng(7)

        def weights(*shape):
            return tf.Variable(rng.normal(size=shape) / np.sqrt(shape[0]) * 2, dtype=tf.float32)

        self.read, self.written = weights(14, size), weights(vocabulary, size)
        self.position, self.logits = weights(20, size), weights(size, vocabulary)
        self.own = [weights(size, size) for _ in range(3)]
        self.cross = [weights(size, size) for _ in range(3)]

    def start(self, inputs):
        ids = tf.convert_to_tensor(inputs)
        value = tf.gather(self.read, ids)
        nothing = tf.zeros((tf.shape(ids)[0], 20, value.shape[-1]))
        return {
            "keys": tf.einsum("bsd,de->bse", value, self.cross[1]),
            "values": tf.einsum("bsd,de->bse", value, self.cross[2]),
            "mask": ids != 0,
            "own_keys": nothing,
            "own_values": nothing,
            "position": tf.zeros_like(ids[:, 0]),
        }

    def step(self, tokens, state, beams=1):
        now = tf.one_hot(state["position"], 20)[..., None]
        x = tf.gather(self.written, tokens) + tf.gather(self.position, state["position"])
        own_keys = state["own_keys"] + now * tf.matmul(x, self.own[1])[:, None]
        own_values = state["own_values"] + now * tf.matmul(x, self.own[2])[:, None]
        scores = tf.einsum("rd,rtd->rt", tf.matmul(x, self.own[0]), own_keys)
        scores = tf.where(tf.range(20) <= state["position"][:, None], scores, -1e9)
        x += tf.einsum("rt,rtd->rd", tf.nn.softmax(scores), own_values)
        # All beams of a row ask its one memory at once.
        query = tf.reshape(tf.matmul(x, self.cross[0]), (-1, beams, x.shape[-1]))
        scores = tf.einsum("bkd,bsd->bks", query, state["keys"])
        weights = tf.nn.softmax(tf.where(state["mask"][:, None], scores, -1e9))
        context = tf.matmul(weights, state["values"])
        x += tf.reshape(context, (-1, x.shape[-1]))
        after = {
            "own_keys": own_keys,
            "own_values": own_values,
            "position": state["position"] + 1,
        }
        weights = tf.reshape(weights, (-1, tf.shape(weights)[-1]))
        return tf.matmul(x, self.logits), {**state, **after}, weights


@pytest.mark.slow
def test_a_transformer_decoder_with_its_cache():
    model = Transformer()
    found = BeamSearch(num_beams=3, max_length=LONGEST, length_penalty=0.6)(model, SOURCE)
    for row, source in enumerate(SOURCE):
        path = Path(model, source)
        require_equal(found, plain_search(path, 3, LONGEST, gnmt(0.6)), path, row)
    run = onnx_of(lambda source: BeamSearch(max_length=4)(model, source), ["source"])
    require_same(run(SOURCE), BeamSearch(max_length=4)(model, SOURCE))


def test_a_cache_may_grow_from_step_to_step():
    class Growing(Transformer):
        def start(self, inputs):
            state = super().start(inputs)
            state["own_keys"] = state["own_values"] = state["own_keys"][:, :0]
            return state

        def step(self, tokens, state, beams=1):
            length = tf.shape(state["own_keys"])[1] + 1
            padding = [[0, 0], [0, 21 - length], [0, 0]]
            whole = {name: tf.pad(state[name], padding) for name in ("own_keys", "own_values")}
            logits, after, weights = super().step(tokens, {**state, **whole}, beams)
            after = {**after, "own_keys": after["own_keys"][:, :length]}
            return logits, {**after, "own_values": after["own_values"][:, :length]}, weights

    growing, expected = Growing(), BeamSearch(max_length=5)(Transformer(), SOURCE)
    run = tf.function(
        lambda source: BeamSearch(max_length=5)(growing, source),
        input_signature=[tf.TensorSpec((None, None), tf.int32)],
        autograph=False,
    )
    for found in (run(SOURCE), BeamSearch(max_length=5)(growing, SOURCE)):
        assert np.array_equal(found.sequences, expected.sequences)
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4)


def test_the_memory_is_not_copied_where_a_step_takes_beams():
    rows = []

    class Watched(Transformer):
        def step(self, tokens, state, beams=1):
            rows.append((tokens.shape[0], state["keys"].shape[0], state["own_keys"].shape[0]))
            return super().step(tokens, state, beams)

    class Plain:
        """Has only `start` and `step`, so that its memory is repeated for it."""

        def __init__(self):
            self.model = Transformer()

        def start(self, inputs):
            state = self.model.start(inputs)
            memory = {name: state.pop(name) for name in Transformer.constant_parts}
            return {"memory": memory, "own": state}

        def step(self, tokens, state):
            keys, own = state["memory"]["keys"], state["own"]
            rows.append((tokens.shape[0], keys.shape[0], own["own_keys"].shape[0]))
            logits, after, weights = self.model.step(tokens, {**state["memory"], **own})
            return logits, {"own": {name: after[name] for name in own}}, weights

    shared = BeamSearch(num_beams=4, max_length=3)(Watched(), SOURCE)
    assert set(rows) == {(3, 3, 3), (12, 3, 12)}
    rows.clear()
    copied = BeamSearch(num_beams=4, max_length=3)(Plain(), SOURCE)
    assert set(rows) == {(3, 3, 3), (12, 12, 12)}
    assert np.array_equal(shared.sequences, copied.sequences)
    np.testing.assert_allclose(shared.scores, copied.scores, rtol=1e-5)


def test_more_beams_than_tokens_and_a_single_step(toy):
    found = BeamSearch(num_beams=30, max_length=1)(toy, SOURCE)
    assert found.sequences.shape == (3, 30, 1)
    # All but padding and start.
    assert np.sum(found.scores > -1e29, axis=1).tolist() == [7, 7, 7]
    assert np.all(np.diff(found.scores, axis=1) <= 0)


def test_settings_are_values():
    search = BeamSearch(num_beams=2, banned=[7], length_penalty="average", min_length_ratio=0.5)
    config = json.loads(json.dumps(search.get_config()))
    assert BeamSearch.from_config(config) == search != BeamSearch(num_beams=2)
    with pytest.raises(AttributeError):
        search.num_beams = 3


@pytest.mark.parametrize(
    "settings",
    [
        {"num_beams": 0},
        {"n_best": 5},
        {"max_length": 0},
        {"max_length_ratio": 0},
        {"min_length": -1},
        {"min_length": 65},
        {"min_length_ratio": -0.5},
        {"length_penalty": -1.0},
        {"length_penalty": "mean"},
        {"coverage_penalty": -0.1},
        {"no_repeat_ngram": -1},
        {"banned": [-1]},
        {"penalties": [0.6]},
        {"constraints": [lambda logp, unfinished: logp]},
        {"early_stop": "yes"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_wrong_settings_are_refused_by_name(settings):
    with pytest.raises(ValueError, match=rf"^({next(iter(settings))}|ids): expected"):
        BeamSearch(**settings)


def test_wrong_inputs_are_refused_by_name(toy):
    with pytest.raises(ValueError, match="model: expected something that decodes"):
        BeamSearch()(object(), SOURCE)
    with pytest.raises(ValueError, match="prefix: expected integer ids"):
        BeamSearch()(toy, SOURCE, [[0.5]])
    with pytest.raises(ValueError, match="ids: expected ids below 9"):
        BeamSearch(banned=[9])(toy, SOURCE)

    class NoIds(Toy):
        def start(self, inputs):
            return super().start(inputs["ids"])

    with pytest.raises(ValueError, match="max_length_ratio: expected a model that reads ids"):
        BeamSearch(max_length_ratio=1.5)(NoIds(), {"ids": SOURCE})
    NoIds.source_mask = lambda self, inputs: inputs["ids"] != 0
    found = BeamSearch(max_length_ratio=1.0, max_length=9)(NoIds(), {"ids": SOURCE})
    assert np.max(found.lengths, axis=1).tolist() == [4, 2, 3]
