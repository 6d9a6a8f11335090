"""Every search compiles with XLA at fixed shapes, and converts to ONNX."""

import numpy as np
import pytest
import tensorflow as tf

from keras_attention.generation import (
    ConstrainedBeamSearch,
    ContrastiveSearch,
    DiverseBeamSearch,
)
from tests.generation.test_beam_search import onnx_of, require_same
from tests.generation.test_contrastive_search import Hidden

SOURCE = np.array([[5, 6, 7, 8], [9, 4, 0, 0], [3, 11, 12, 0]], "int32")
SEARCHES = [
    DiverseBeamSearch(num_beams=4, num_groups=2, max_length=5, length_penalty=0.6),
    ConstrainedBeamSearch(num_beams=3, max_length=6, phrases=((4, 5), (7,)), length_penalty=0.6),
    ContrastiveSearch(max_length=5, top_k=3),
]
names = pytest.mark.parametrize("search", SEARCHES, ids=lambda search: type(search).__name__)


@pytest.fixture(scope="module")
def toy():
    return Hidden(seed=3, end_bias=0.5)


@names
def test_compiles_with_fixed_shapes(toy, search):
    run = tf.function(lambda source: search(toy, source), jit_compile=True, autograph=False)
    found = run(tf.constant(SOURCE))
    require_same(found._asdict(), search(toy, SOURCE))


@pytest.mark.slow
@names
def test_converts_to_onnx(toy, search):
    run = onnx_of(lambda source: search(toy, source), ["source"])
    for source in (SOURCE, SOURCE[1:2, :2]):
        require_same(run(source), search(toy, source))
