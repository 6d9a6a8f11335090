"""generate runs in a graph that is traced once, with prefixes, several sources, any model."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_attention.generation import BeamSearch, Greedy, Sample, generate
from keras_attention.models import EncoderDecoder, Seq2Seq
from keras_attention.text import Vocabulary
from tests.support.plain_search import Toy

LETTERS, WORDS = Vocabulary("abcdefgh"), Vocabulary(["le", "roi", "dort", "ici"], separator=" ")
SEARCH = BeamSearch(num_beams=3, max_length=5, length_penalty=0.6)
TEXTS = ["ab", "cdefg", "h", "bad"]


class Counting(Toy):
    """Counts its calls in Python: those of a graph are those of its tracing."""

    source_vocabulary, target_vocabulary = LETTERS, WORDS
    calls = 0

    def start(self, inputs):
        type(self).calls += 1
        return super().start(inputs)


def ours(**options):
    return EncoderDecoder(LETTERS, WORDS, **{"embedding_dim": 4, "units": 6, **options})


def same(one, other):
    return one[0] == other[0] and one[2:4] == other[2:4] and abs(one[1] - other[1]) < 1e-4


def test_a_second_call_traces_nothing_again():
    class Model(Counting):
        pass

    model = Model(vocabulary=8, seed=3)
    first = generate(model, TEXTS, SEARCH)
    traced = Model.calls
    # Other sizes, another equal search, n_best and a batch size: it is the same graph.
    again = generate(model, [*TEXTS, "gabe" * 3], BeamSearch(**vars(SEARCH)), batch_size=2)
    generate(model, TEXTS[:1], SEARCH, n_best=2)
    assert Model.calls == traced and all(map(same, first, again))
    generate(model, TEXTS, Greedy(max_length=5))
    assert Model.calls > traced


def test_the_graph_reads_the_present_weights():
    model = ours()
    before = generate(model, TEXTS, SEARCH)
    model.set_weights([3 * weight for weight in model.get_weights()])
    after = generate(model, TEXTS, SEARCH)
    model.run_eagerly = True
    assert all(map(same, after, generate(model, TEXTS, SEARCH)))
    assert not all(map(same, before, after))


def test_other_variables_are_another_graph():
    model = ours(units=8)
    generate(model, TEXTS, SEARCH)
    model.logits.enable_lora(2)
    model.logits.lora_kernel_b.assign(keras.ops.ones_like(model.logits.lora_kernel_b))
    found = generate(model, TEXTS, SEARCH)
    model.run_eagerly = True
    assert all(map(same, found, generate(model, TEXTS, SEARCH)))


def test_a_graph_lives_no_longer_than_its_model():
    model = ours()
    generate(model, TEXTS, Greedy(max_length=3))
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def test_what_cannot_be_traced_runs_eagerly():
    class Eager(Counting):
        def step(self, tokens, state):
            return super().step(tf.constant(tokens.numpy()), state)

    model = Eager(vocabulary=8, seed=3)
    expected = generate(Counting(vocabulary=8, seed=3), TEXTS, SEARCH)
    assert all(map(same, generate(model, TEXTS, SEARCH), expected))


def test_samples_follow_the_seed_of_keras():
    model = ours()
    found = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        found.append(generate(model, TEXTS, Sample(max_length=5), batch_size=2))
    assert all(map(same, *found))


@pytest.mark.parametrize("search", [SEARCH, Greedy(max_length=5)])
def test_a_prefix_for_each_input(search):
    model = ours()
    found = generate(model, TEXTS, search, prefix=["roi dort", "", None, [4]], batch_size=3)
    assert found[0].tokens[:2] == ["roi", "dort"] and found[3].tokens[0] == "le"
    plain = generate(model, TEXTS, search)
    assert all(same(found[i], plain[i]) for i in (1, 2))
    [alone] = generate(model, TEXTS[:1], search, prefix=[[5, 6]])
    assert same(alone, found[0])


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        (["le"], "prefix: expected a list, one for each of 4 inputs, received 1 of them"),
        ("le", "prefix: expected a list, one for each of 4 inputs, received 'le'"),
        ([[1], [], [], []], "prefix: expected ids"),
        ([[99], [], [], []], "prefix: expected ids"),
    ],
)
def test_a_prefix_that_does_not_fit(prefix, message):
    with pytest.raises(ValueError, match=message):
        generate(ours(), TEXTS, prefix=prefix)


def test_a_bar_on_request(capsys):
    model = ours()
    generate(model, TEXTS, Greedy(max_length=3), batch_size=2)
    assert capsys.readouterr().out == ""
    generate(model, TEXTS, Greedy(max_length=3), batch_size=2, verbose=True)
    assert "4/4" in capsys.readouterr().out
    with pytest.raises(ValueError, match="verbose: expected"):
        generate(model, TEXTS, verbose="loud")


def functional(with_features=False):
    """A model as people write it, of ids and perhaps of features."""
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    memory, *states = layers.LSTM(6, return_sequences=True, return_state=True)(
        layers.Embedding(12, 4, mask_zero=True)(source)
    )
    inputs = {"source": source, "target": target}
    if with_features:
        inputs["features"] = keras.Input((3,), name="features")
        states = [layers.Add()([state, layers.Dense(6)(inputs["features"])]) for state in states]
    decoded = layers.LSTM(6, return_sequences=True)(
        layers.Embedding(8, 4)(target), initial_state=states
    )
    attended = layers.Attention()([decoded, memory])
    logits = layers.Dense(8)(layers.Concatenate()([decoded, attended]))
    return keras.Model(inputs, logits)


def test_a_functional_model_given_directly_reads_and_writes_ids():
    model = functional()
    ids = [[5, 6, 7], [4, 9]]
    found = generate(model, ids, SEARCH)
    expected = SEARCH(model, np.array([[5, 6, 7], [4, 9, 0]], "int32"))
    for row, one in enumerate(found):
        written = np.asarray(expected.sequences)[row, 0]
        assert one.tokens == [str(i) for i in written if i > 2]
        assert one.score == pytest.approx(float(expected.scores[row, 0]), abs=1e-4)
    with pytest.raises(ValueError, match="inputs: expected lists of ids, since the model has no"):
        generate(model, ["ab"])


def test_several_sources_by_name():
    inner = functional(with_features=True)
    model = Seq2Seq(inner, source_vocabulary={"source": LETTERS}, target_vocabulary=WORDS)
    features = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    found = generate(model, {"source": TEXTS, "features": features}, SEARCH, batch_size=3)
    for i, one in enumerate(found):
        assert one.source_tokens == list(TEXTS[i])
        [alone] = generate(
            inner, {"source": [LETTERS.encode(TEXTS[i])], "features": features[i : i + 1]}, SEARCH
        )
        assert [str(WORDS.tokens.index(t)) for t in one.tokens] == alone.tokens
        assert one.score == pytest.approx(alone.score, abs=1e-4)
    with pytest.raises(ValueError, match="inputs: expected a dictionary of the sources"):
        generate(model, TEXTS)
    with pytest.raises(ValueError, match="inputs: expected as many examples of every source"):
        generate(model, {"source": TEXTS, "features": features[:2]})
    with pytest.raises(ValueError, match="inputs: expected the sources"):
        generate(model, {"source": TEXTS, "picture": features})
