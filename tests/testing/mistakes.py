"""Classes with one mistake each, as people make them, and the property that must show it."""

import keras
import numpy as np
from keras import ops

from keras_attention import Attention
from keras_attention._core.masks import masked_softmax
from keras_attention.normalizers import Monotonic, Normalizer, Softmax
from keras_attention.scores import Coverage, Score

registered = keras.saving.register_keras_serializable(package="mistakes")


def product(query, keys):
    return ops.matmul(query, ops.transpose(keys, (0, 2, 1)))


# Scores.


@registered
class ComparesInHalfPrecision(Score):
    def compare(self, query, keys):
        return ops.cast(product(query, keys), self.compute_dtype)


@registered
class TransposesScores(Score):
    def compare(self, query, keys):
        return product(keys, query)


@registered
class SubtractsTheMeanOfTheBatch(Score):
    def compare(self, query, keys):
        return product(query, keys - ops.mean(keys, axis=0, keepdims=True))


@registered
class ScalesByTheNumberOfKeys(Score):
    def project_keys(self, key):
        # Padding counts too.
        return key / ops.sqrt(ops.cast(ops.shape(key)[1], key.dtype))

    def compare(self, query, keys):
        return product(query, keys)


@registered
class ForgetsItsConfig(Score):
    def __init__(self, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def compare(self, query, keys):
        return self.scale * product(query, keys)

    def get_config(self):
        return super().get_config()


@registered
class HidesItsWeights(Score):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = np.random.default_rng().normal(size=(4,)).astype("float32")

    def compare(self, query, keys):
        return product(query * self.hidden, keys)


class IsNotRegistered(Score):
    def compare(self, query, keys):
        return product(query, keys)


@registered
class CountsItsCalls(Score):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls = 0

    def compare(self, query, keys):
        self.calls += 1
        return product(query, keys) / self.calls


@registered
class TakesRootsOfZero(Score):
    def compare(self, query, keys):
        difference = ops.expand_dims(query, 2) - ops.expand_dims(keys, 1)
        return -ops.sqrt(ops.sum(ops.square(difference), axis=-1))


@registered
class Overflows(Score):
    def compare(self, query, keys):
        return ops.exp(product(query, keys))


@registered
class ForgetsItsState(Coverage):
    def next_state(self, state, weights, query):
        return state


@registered
class DecidesInPython(Score):
    def compare(self, query, keys):
        scores = product(query, keys)
        return scores if float(ops.max(scores)) > 0 else 2 * scores


@registered
class HasAWrongGradient(Score):
    def compare(self, query, keys):
        scores = product(query, keys)
        return scores + ops.stop_gradient(0.5 * scores)


# Normalizers.


@registered
class IgnoresTheMask(Normalizer):
    def call(self, scores, mask=None):
        return ops.softmax(scores, axis=-1)


@registered
class MasksProbabilities(Normalizer):
    def call(self, scores, mask=None):
        weights = ops.softmax(scores, axis=-1)
        return weights if mask is None else ops.where(mask, weights, 0.0)


@registered
class NormalizesTheWrongAxis(Normalizer):
    def call(self, scores, mask=None):
        powers = ops.exp(scores - ops.max(scores, axis=1, keepdims=True))
        weights = powers / ops.sum(powers, axis=1, keepdims=True)
        return weights if mask is None else ops.where(mask, weights, 0.0)


@registered
class DoesNotSumToOne(Normalizer):
    def call(self, scores, mask=None):
        weights = ops.sigmoid(scores) / 5
        return weights if mask is None else ops.where(mask, weights, 0.0)


@registered
class DividesByZero(Normalizer):
    def call(self, scores, mask=None):
        weights = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))
        weights = weights if mask is None else ops.where(mask, weights, 0.0)
        return weights / ops.sum(weights, axis=-1, keepdims=True)


@registered
class NormalizesInHalfPrecision(Normalizer):
    def call(self, scores, mask=None):
        return ops.cast(masked_softmax(scores, mask), self.compute_dtype)


@registered
class HasNegativeWeights(Normalizer):
    def call(self, scores, mask=None):
        weights = 1.5 * masked_softmax(2 * scores, mask)
        return weights - masked_softmax(scores, mask) / 2


@registered
class UsesALargeNegativeNumber(Normalizer):
    def call(self, scores, mask=None):
        return ops.softmax(scores if mask is None else ops.where(mask, scores, -1e9), axis=-1)


@registered
class KeepsItsStateOnItself(Monotonic):
    def next_state(self, state, weights):
        self.last = super().next_state(state, weights)
        return self.last

    def call(self, scores, mask=None, state=None, **kwargs):
        last = getattr(self, "last", state)
        return super().call(scores, mask, state=last, **kwargs)


# Attentions.


class General(Attention):
    def __init__(self, **kwargs):
        super().__init__(**{"score": "general", **kwargs})


@registered
class IgnoresTheValueMask(General):
    def memory(self, value, key=None, mask=None):
        return super().memory(value, key)


@registered
class IgnoresTheQueryMask(General):
    def _attend(self, query, memory, state, query_mask, *others):
        return super()._attend(query, memory, state, None, *others)


@registered
class StepsDifferently(General):
    def step(self, query, memory, state=None, noise=None):
        return super().step(2 * query, memory, state, noise)


@registered
class KeepsItsMemoryOnItself(General):
    def memory(self, value, key=None, mask=None):
        self.last = super().memory(value, key, mask)
        return self.last

    def step(self, query, memory, state=None, noise=None):
        return super().step(query, self.last, state, noise)


@registered
class ReturnsItsFirstState(Attention):
    def __init__(self, **kwargs):
        super().__init__(**{"score": "coverage", **kwargs})

    def step(self, query, memory, state=None, noise=None):
        context, weights, _ = super().step(query, memory, state, noise)
        return context, weights, self.initial_state(memory)


@registered
class LosesItsTemperature(Attention):
    def __init__(self, temperature=0.5, **kwargs):
        kwargs = {"score": "general", **kwargs, "normalizer": Softmax(temperature)}
        super().__init__(**kwargs)

    def get_config(self):
        config = super().get_config()
        del config["score"], config["window"]
        return {**config, "temperature": 1.0}


# Decoders.


class Recurrent:
    """A decoder without a mistake: a sum over the source, and a recurrence over the tokens."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.table = ops.convert_to_tensor(rng.normal(size=(9, 4)).astype("float32"))
        self.kernel = ops.convert_to_tensor(rng.normal(size=(4, 9)).astype("float32"))

    def start(self, inputs):
        ids = ops.convert_to_tensor(inputs)
        real = ops.cast(ops.expand_dims(ids != 0, -1), "float32")
        return {"memory": ops.sum(ops.take(self.table, ids, axis=0) * real, axis=1) / 4}

    def state(self, state, tokens):
        before = state.get("hidden", ops.zeros_like(state["memory"]))
        return ops.tanh(before / 2 + ops.take(self.table, tokens, axis=0) + state["memory"])

    def step(self, tokens, state):
        hidden = self.state(state, tokens)
        return ops.matmul(hidden, self.kernel), {**state, "hidden": hidden}, None


class WithHidden(Recurrent):
    def start(self, inputs):
        state = super().start(inputs)
        return {**state, "hidden": ops.zeros_like(state["memory"])}


class ReturnsTheStateItGot(WithHidden):
    def step(self, tokens, state):
        logits, _, weights = super().step(tokens, state)
        return logits, state, weights


class KeepsStateOnItself(WithHidden):
    def start(self, inputs):
        self.hidden = None
        return super().start(inputs)

    def step(self, tokens, state):
        if self.hidden is not None and len(self.hidden) == len(state["memory"]):
            state = {**state, "hidden": self.hidden}
        logits, after, weights = super().step(tokens, state)
        self.hidden = after["hidden"]
        return logits, after, weights


class MixesTheBatch(WithHidden):
    def step(self, tokens, state):
        logits, state, weights = super().step(tokens, state)
        return logits - ops.mean(logits, axis=0) / 2, state, weights


class GivesProbabilities(WithHidden):
    def step(self, tokens, state):
        logits, state, weights = super().step(tokens, state)
        return ops.softmax(logits), state, weights


class ReadsPadding(WithHidden):
    def start(self, inputs):
        ids = ops.convert_to_tensor(inputs)
        memory = ops.mean(ops.take(self.table, ids, axis=0), axis=1)
        return {"memory": memory, "hidden": ops.zeros_like(memory)}


class UsesNumPy(WithHidden):
    def step(self, tokens, state):
        bias = np.where(np.asarray(tokens) == 1, 0.5, 0.0).astype("float32")
        logits, state, weights = super().step(tokens, state)
        return logits + bias[:, None], state, weights


class GrowsItsState(Recurrent):
    """Its first state lacks what later ones have."""


class WeighsPadding(WithHidden):
    def start(self, inputs):
        length = np.shape(inputs)[1]
        uniform = ops.ones((len(inputs), length)) / length
        return {**super().start(inputs), "weights": uniform}

    def step(self, tokens, state):
        logits, after, _ = super().step(tokens, state)
        return logits, {**after, "weights": state["weights"]}, state["weights"]


class StepsWithoutTheMemory(WithHidden):
    """Its forward pass is that of the decoder without a mistake."""

    def step(self, tokens, state):
        nothing = {**state, "memory": ops.zeros_like(state["memory"])}
        logits, after, weights = super().step(tokens, nothing)
        return logits, {**after, "memory": state["memory"]}, weights


def forward(inputs, ids):
    """The logits of whole targets by the decoder without a mistake."""
    decoder, logits = WithHidden(), []
    state = decoder.start(inputs)
    for t in range(ids.shape[1]):
        one, state, _ = decoder.step(ids[:, t], state)
        logits.append(one)
    return ops.stack(logits, axis=1)


SCORES = {
    ComparesInHalfPrecision: "scores are in at least float32",
    TransposesScores: "outputs and weights have their shapes",
    SubtractsTheMeanOfTheBatch: "examples do not depend on each other",
    ScalesByTheNumberOfKeys: "masked equals sliced",
    ForgetsItsConfig: "the score has a full config",
    HidesItsWeights: "config round trip",
    IsNotRegistered: "saved and loaded gives the same numbers",
    CountsItsCalls: "a second call gives the same",
    TakesRootsOfZero: "extreme inputs stay finite",
    Overflows: "extreme inputs stay finite",
    ForgetsItsState: "a step changes the state",
    DecidesInPython: "batch and lengths may be unknown",
    HasAWrongGradient: "gradients equal finite differences",
}
NORMALIZERS = {
    IgnoresTheMask: "weights keep dtype and mask",
    MasksProbabilities: "weights are shares",
    NormalizesTheWrongAxis: "weights are shares",
    DoesNotSumToOne: "weights are shares",
    DividesByZero: "masked equals sliced",
    NormalizesInHalfPrecision: "weights keep dtype and mask",
    HasNegativeWeights: "weights are shares",
    UsesALargeNegativeNumber: "masked equals sliced",
    KeepsItsStateOnItself: "a second call gives the same",
}
ATTENTIONS = {
    IgnoresTheValueMask: "masked equals sliced",
    IgnoresTheQueryMask: "masked equals sliced",
    StepsDifferently: "calling over a sequence equals stepping",
    KeepsItsMemoryOnItself: "gathering a state by rows equals running these rows",
    ReturnsItsFirstState: "steps carry a state",
    LosesItsTemperature: "config round trip",
}
DECODERS = {
    ReturnsTheStateItGot: "steps depend on earlier tokens",
    KeepsStateOnItself: "gathering a state by rows equals running these rows",
    MixesTheBatch: "examples do not depend on each other",
    GivesProbabilities: "step returns logits state and weights",
    ReadsPadding: "extra padding changes nothing",
    UsesNumPy: "a graph gives the same",
    GrowsItsState: "step returns logits state and weights",
    WeighsPadding: "extra padding changes nothing",
    StepsWithoutTheMemory: "steps equal the forward pass",
}
