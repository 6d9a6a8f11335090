"""The spelling model learns equally well in every precision, compiled and eagerly.

`benchmarks/precision.py` shows the same with longer training on real words.
"""

import keras
import numpy as np
import pytest

from keras_attention.datasets import Entry, teacher_forcing_batches
from keras_attention.losses import SequenceCrossentropy
from keras_attention.recipes import g2p

WORDS = ["abcd", "bacd", "dcba", "cabd", "bcad", "acbd", "ccdd", "bbad", "aabd", "cbad"]
ENTRIES = [Entry(word, (tuple(word.upper()),)) for word in WORDS]
STEPS = 40
WAYS = [
    pytest.param("mixed_float16", {}, marks=pytest.mark.slow),
    ("mixed_bfloat16", {}),
    pytest.param("float32", {"jit_compile": True}, marks=pytest.mark.slow),
    pytest.param("float32", {"run_eagerly": True}, marks=pytest.mark.slow),
]


def losses(policy="float32", **options):
    """The mean loss of the first and of the last steps."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    # Without dropout, whose random masks would hide differences of rounding.
    settings = g2p.Settings(units=32, embedding_dim=16, dropout=0.0)
    model = g2p.build(ENTRIES, settings)
    sources = [model.source_vocabulary.encode(word) for word in WORDS]
    targets = [model.target_vocabulary.encode(" ".join(word.upper())) for word in WORDS]
    batches = teacher_forcing_batches(sources, targets, len(WORDS), shuffle=False).repeat()
    optimizer = keras.optimizers.Adam(0.02, global_clipnorm=1.0)
    model.compile(optimizer, SequenceCrossentropy(), **{"jit_compile": False, **options})
    history = model.fit(batches, epochs=2, steps_per_epoch=STEPS // 2, shuffle=False, verbose=0)
    assert model.compute_dtype == keras.config.dtype_policy().compute_dtype
    return history.history["loss"]


@pytest.fixture(scope="module")
def in_float32():
    found = losses()
    assert found[1] < 0.4 * found[0], "it learned too little to tell"
    return found


@pytest.mark.parametrize(("policy", "options"), WAYS, ids=str)
def test_it_learns_as_in_float32(policy, options, in_float32):
    np.testing.assert_allclose(losses(policy, **options), in_float32, rtol=0.1)
