"""How scores become weights: one small class a normalizer."""

import keras
from keras import ops

from keras_attention.checks import check_choice, check_number, check_positive_number
from keras_attention.memory import initial_alignment


class Normalizer(keras.layers.Layer):
    """Base of all normalizers: scores and a mask become weights.

    `call(scores, mask)` takes scores `(B, Tq, Tk)` in at least float32 and a
    boolean mask that broadcasts to them, or None, and returns weights of the
    scores' shape and dtype. They are zero wherever the mask is False; where a
    whole row is masked they are all zero, and so are their gradients.

    A normalizer that looks back defines `initial_state` and `next_state`, and
    its `call` takes one query at a time, `Tq = 1`, and `state=`. One that
    draws random numbers while training defines `noise`, and its `call` takes
    what that drew as `noise=`, or None.

    Attributes:
        detached: whether the context passes no gradient on to the weights,
            which then carry that of their own estimator.

    Example:

    >>> import numpy as np
    >>> from keras import ops
    >>> from keras_attention.normalizers import Normalizer
    >>> class Uniform(Normalizer):
    ...     def call(self, scores, mask=None):
    ...         ones = ops.ones_like(scores)
    ...         kept = ones if mask is None else ops.where(mask, ones, 0.0)
    ...         return kept / ops.maximum(ops.sum(kept, axis=-1, keepdims=True), 1.0)
    >>> Uniform()(np.zeros((1, 1, 4), "float32")).numpy().tolist()
    [[[0.25, 0.25, 0.25, 0.25]]]
    """

    detached = False

    def __init__(self, **kwargs):
        # Scores come in at least float32 and must not be cast down on the way in.
        super().__init__(**{"autocast": False, **kwargs})
        self.supports_masking = True

    def build(self, scores_shape, mask_shape=None):
        self.built = True

    def initial_state(self, memory):
        """What the first step looks back on: `()`, or tensors with the batch first."""
        return ()

    def next_state(self, state, weights):
        """What the next step looks back on, after a step that gave `weights` `(B, Tk)`."""
        return state

    def noise(self, shape, dtype):
        """Random numbers of `shape` `(B, Tq, Tk)` for a call while training, or None."""
        return None

    def call(self, scores, mask=None):
        raise NotImplementedError(f"{type(self).__name__} must define call(scores, mask).")

    def compute_output_shape(self, scores_shape, mask_shape=None):
        return scores_shape

    def compute_output_spec(self, scores, *args, **kwargs):
        return keras.KerasTensor(scores.shape, dtype=scores.dtype)


@keras.saving.register_keras_serializable(package="keras_attention")
class Softmax(Normalizer):
    """Softmax over the positions that the mask keeps: `exp(s_j / t) / sum_k exp(s_k / t)`.

    The mask acts on the scores before the sum, not on the weights after it:
    what stands in the padding changes no other weight. A temperature t below 1
    sharpens; Chorowski's beta is `1 / t`.

    Source: Bahdanau, Cho and Bengio, 2015; the sharpening: Chorowski et al.,
    "Attention-Based Models for Speech Recognition", 2015.

    Args:
        temperature: t, above 0.

    Raises:
        ValueError: where `temperature` is not above 0.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers import Softmax
    >>> scores, mask = np.zeros((1, 1, 3), "float32"), np.array([[[True, True, False]]])
    >>> Softmax()(scores, mask=mask).numpy().tolist()
    [[[0.5, 0.5, 0.0]]]
    """

    def __init__(self, temperature=1.0, **kwargs):
        super().__init__(**kwargs)
        check_positive_number("temperature", temperature)
        self.temperature = temperature

    def call(self, scores, mask=None):
        return _softmax(scores if self.temperature == 1 else scores / self.temperature, mask)

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}


@keras.saving.register_keras_serializable(package="keras_attention")
class Sigmoid(Normalizer):
    """Smoothing: `sigmoid(s_j) / sum_k sigmoid(s_k)`, which lets several positions share.

    Source: Chorowski et al., "Attention-Based Models for Speech Recognition",
    2015.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers import Sigmoid
    >>> Sigmoid()(np.array([[[50.0, 90.0, -90.0]]], "float32")).numpy().tolist()
    [[[0.5, 0.5, 0.0]]]
    """

    def call(self, scores, mask=None):
        # The softmax of log sigmoid(s): where all scores are low the sum itself would vanish.
        return _softmax(ops.log_sigmoid(scores), mask)

    def get_config(self):
        # Said here, since what Keras notes down by itself cannot hold a dtype policy.
        return {**super().get_config()}


@keras.saving.register_keras_serializable(package="keras_attention")
class Hardmax(Normalizer):
    """All weight on the highest score, the first of equals; no gradient.

    Source: `tfa.seq2seq.hardmax`.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers import Hardmax
    >>> Hardmax()(np.array([[[1.0, 3.0, 2.0]]], "float32")).numpy().tolist()
    [[[0.0, 1.0, 0.0]]]
    """

    def call(self, scores, mask=None):
        return _one_hot_of_highest(scores, mask)

    def get_config(self):
        # Said here, since what Keras notes down by itself cannot hold a dtype policy.
        return {**super().get_config()}


@keras.saving.register_keras_serializable(package="keras_attention")
class Sparsemax(Normalizer):
    """The projection of the scores onto the simplex: `w_j = max(s_j - tau, 0)`.

    The threshold tau makes the weights sum to 1; most are exactly 0. It is
    found by a full sort, whose shape depends on no data, so that it exports.

    Source: Martins and Astudillo, "From Softmax to Sparsemax: A Sparse Model
    of Attention and Multi-Label Classification", 2016.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers import Sparsemax
    >>> Sparsemax()(np.array([[[1.0, 0.5, -1.0]]], "float32")).numpy().tolist()
    [[[0.75, 0.25, 0.0]]]
    """

    def call(self, scores, mask=None):
        z = _below_top(scores, mask)
        ordered, rank = _descending(z)
        sums = ops.cumsum(ordered, axis=-1)
        support = ops.cast(1 + rank * ordered > sums, z.dtype)
        size = ops.sum(support, axis=-1, keepdims=True)
        threshold = (ops.sum(support * ordered, axis=-1, keepdims=True) - 1) / size
        slopes = ops.cast(z > threshold, z.dtype)
        return _zero_where_masked(mask, ops.relu(z - _implicit(threshold, z, slopes)))

    def get_config(self):
        # Said here, since what Keras notes down by itself cannot hold a dtype policy.
        return {**super().get_config()}


@keras.saving.register_keras_serializable(package="keras_attention")
class Entmax15(Normalizer):
    """1.5-entmax, between softmax and sparsemax: `w_j = max(s_j / 2 - tau, 0)^2`.

    The threshold tau makes the weights sum to 1; low scores get exactly 0. It
    is found by a full sort, whose shape depends on no data, so that it
    exports.

    Source: Peters, Niculae and Martins, "Sparse Sequence-to-Sequence Models",
    2019.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers import Entmax15
    >>> Entmax15()(np.array([[[3.0, 3.0, -1.0]]], "float32")).numpy().round(4).tolist()
    [[[0.5, 0.5, 0.0]]]
    """

    def call(self, scores, mask=None):
        z = _below_top(scores / 2, mask)
        ordered, rank = _descending(z)
        mean = ops.cumsum(ordered, axis=-1) / rank
        variance = ops.cumsum(ops.square(ordered), axis=-1) / rank - ops.square(mean)
        # The threshold if exactly the first `rank` scores were the support.
        thresholds = mean - ops.sqrt(ops.relu(1 / rank - variance))
        size = ops.sum(ops.cast(thresholds <= ordered, z.dtype), axis=-1, keepdims=True)
        threshold = ops.sum(ops.where(rank == size, thresholds, 0.0), axis=-1, keepdims=True)
        root = ops.relu(z - _implicit(threshold, z, ops.relu(z - threshold)))
        return _zero_where_masked(mask, ops.square(root))

    def get_config(self):
        # Said here, since what Keras notes down by itself cannot hold a dtype policy.
        return {**super().get_config()}


@keras.saving.register_keras_serializable(package="keras_attention")
class HardSample(Normalizer):
    """Hard attention: one position, drawn from `softmax(s)` while training, else the likeliest.

    The draw is `argmax(s + g)` with Gumbel noise g. It has no gradient of its
    own, so one is estimated:

    - `"straight_through"`: that of `softmax((s + g) / t)`, which is biased and
      varies little. Source: Jang, Gu and Poole, "Categorical Reparameterization
      with Gumbel-Softmax", 2017.
    - `"score_function"` (REINFORCE): the weight of the drawn position, whose
      value is 1, carries the gradient of its log-probability, and the context
      passes none on to the weights. Train with
      `keras_attention.losses.hard_attention_loss`, which multiplies it with the
      reward less a baseline. Source: Xu et al., "Show, Attend and Tell", 2015.

    Args:
        estimator: one of the two.
        temperature: t, above 0.
        seed: of the noise.

    Raises:
        ValueError: for another estimator, or a temperature that is not above 0.

    Example:

    >>> import numpy as np
    >>> from keras_attention.normalizers import HardSample
    >>> HardSample()(np.array([[[1.0, 3.0, 2.0]]], "float32")).numpy().tolist()
    [[[0.0, 1.0, 0.0]]]
    """

    def __init__(self, estimator="straight_through", temperature=1.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        check_choice("estimator", estimator, ("straight_through", "score_function"))
        check_positive_number("temperature", temperature)
        self.estimator = estimator
        self.temperature = temperature
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.detached = estimator == "score_function"

    def noise(self, shape, dtype):
        uniform = keras.random.uniform(shape, minval=1e-20, dtype=dtype, seed=self.seed_generator)
        return -ops.log(-ops.log(uniform))

    def call(self, scores, mask=None, noise=None):
        drawn = scores if noise is None else scores + noise
        hard = _one_hot_of_highest(drawn, mask)
        if self.estimator == "straight_through":
            soft = _softmax(drawn / self.temperature, mask)
            return hard + (soft - ops.stop_gradient(soft))
        log_probability = ops.sum(hard * _log_softmax(scores, mask), axis=-1, keepdims=True)
        return hard * (1 + (log_probability - ops.stop_gradient(log_probability)))

    def get_config(self):
        return {
            **super().get_config(),
            "estimator": self.estimator,
            "temperature": self.temperature,
            "seed": self.seed,
        }


class _Choosing(Normalizer):
    """Base of what reads positions in order and decides at each with `p = sigmoid(s + b + n)`."""

    modes = ()

    def __init__(
        self, mode, test_mode=None, sigmoid_noise=0.0, score_bias_init=0.0, seed=None, **kwargs
    ):
        super().__init__(**kwargs)
        check_choice("mode", mode, self.modes)
        check_choice("test_mode", test_mode, (None, *self.modes))
        check_number("sigmoid_noise", sigmoid_noise, at_least=0)
        check_number("score_bias_init", score_bias_init)
        self.mode = mode
        self.test_mode = test_mode
        self.sigmoid_noise = sigmoid_noise
        self.score_bias_init = score_bias_init
        self.seed = seed
        if sigmoid_noise:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, scores_shape, mask_shape=None):
        start = keras.initializers.Constant(self.score_bias_init)
        self.score_bias = self.add_weight(
            shape=(), initializer=start, autocast=False, name="score_bias"
        )
        self.built = True

    def initial_state(self, memory):
        return initial_alignment("first", memory)

    def next_state(self, state, weights):
        return weights

    def noise(self, shape, dtype):
        if not self.sigmoid_noise:
            return None
        return keras.random.normal(
            shape, stddev=self.sigmoid_noise, dtype=dtype, seed=self.seed_generator
        )

    def call(self, scores, mask=None, state=None, noise=None, training=None):
        mode = self.mode if training or self.test_mode is None else self.test_mode
        scores = scores + ops.cast(self.score_bias, scores.dtype)
        if noise is not None:
            scores = scores + noise
        if mode == "hard":
            chosen = ops.cast(scores > 0, scores.dtype)
            passed = 1 - chosen
        else:
            # Not 1 - chosen, which rounds where p is close to 1.
            chosen, passed = ops.sigmoid(scores), ops.sigmoid(-scores)
        previous = ops.expand_dims(state, 1)
        return _zero_where_masked(mask, self._advance(mode, chosen, passed, previous, mask))

    def get_config(self):
        return {
            **super().get_config(),
            "mode": self.mode,
            "test_mode": self.test_mode,
            "sigmoid_noise": self.sigmoid_noise,
            "score_bias_init": self.score_bias_init,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class Monotonic(_Choosing):
    """Monotonic attention: from where the last step stopped, read on until a position is chosen.

        p_j = sigmoid(s_j + b + noise)                b learned
        q_j = (1 - p_{j-1}) q_{j-1} + w'_j            w' the step before
        w_j = p_j q_j

    What was never chosen is lost: the weights may sum to less than 1. Before
    the first step all weight is on the first position.

    - `"exact"`: the recurrence by doubling, in log2(Tk) rounds. Nothing is
      lost on inputs of any length.
    - `"recursive"`: the name that tfa has for the same numbers.
    - `"parallel"`: tfa's closed form, by cumulative products and a division by
      them that is clipped at 1e-10. Beyond some 30 positions mass vanishes:
      at p = 0.5, from position 60 on, 1 becomes 1e-8.
    - `"hard"`: p is 0 or 1. No gradient; for testing.

    Long inputs want a negative `score_bias_init`, so that reading on is
    likely, and some `sigmoid_noise`, which teaches p to be 0 or 1.

    Source: Raffel et al., "Online and Linear-Time Attention by Enforcing
    Monotonic Alignments", 2017.

    Args:
        mode: one of the above.
        test_mode: the mode outside training, by default the same; `"hard"` is
            the paper's.
        sigmoid_noise: standard deviation of the noise, only while training.
        score_bias_init: what b starts with.
        seed: of the noise.

    Raises:
        ValueError: for another mode, a negative noise or a bias that is no
            number.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention
    >>> from keras_attention.normalizers import Monotonic
    >>> attention = Attention("dot", Monotonic())
    >>> tuple(attention(np.ones((2, 3, 4)), np.ones((2, 5, 4))).shape)
    (2, 3, 4)
    """

    modes = ("exact", "recursive", "parallel", "hard")

    def __init__(self, mode="exact", **kwargs):
        super().__init__(mode, **kwargs)

    def _advance(self, mode, chosen, passed, previous, mask):
        chosen = _zero_where_masked(mask, chosen)
        passed = passed if mask is None else ops.where(mask, passed, ops.ones_like(passed))
        if mode == "hard":
            # From the last focus on, the first that is chosen.
            chosen = chosen * ops.cumsum(previous, axis=-1)
            return chosen * ops.cast(_before(ops.cumsum(chosen, axis=-1)) == 0, chosen.dtype)
        if mode == "parallel":
            tiny = 1.2e-38 if keras.backend.standardize_dtype(chosen.dtype) == "float32" else 1e-300
            logs = ops.cumsum(ops.log(ops.clip(passed, tiny, 1.0)), axis=-1)
            product = ops.exp(_before(logs))
            return chosen * product * ops.cumsum(previous / ops.clip(product, 1e-10, 1.0), axis=-1)
        return chosen * _linear_recurrence(_before(passed), previous)


@keras.saving.register_keras_serializable(package="keras_attention")
class StepwiseMonotonic(_Choosing):
    """Stepwise monotonic attention: every step stays where it is or moves on by one position.

        p_j = sigmoid(s_j + b + noise)                the probability to stay
        w_j = w'_j p_j + w'_{j-1} (1 - p_{j-1})       w' the step before

    At the last real position p is 1, so that no weight leaves the memory.
    Before the first step all weight is on the first position. Padding is
    expected at the end.

    Source: He, Deng and He, "Robust Sequence-to-Sequence Acoustic Modeling
    with Stepwise Monotonic Attention for Neural TTS", 2019.

    Args:
        mode: `"soft"`, or `"hard"` with p either 0 or 1.
        test_mode: the mode outside training, by default the same.
        sigmoid_noise, score_bias_init, seed: as in `Monotonic`.

    Raises:
        ValueError: as `Monotonic`.

    Example:

    >>> import numpy as np
    >>> from keras_attention import Attention
    >>> from keras_attention.normalizers import StepwiseMonotonic
    >>> attention = Attention("dot", StepwiseMonotonic())
    >>> tuple(attention(np.ones((2, 3, 4)), np.ones((2, 5, 4))).shape)
    (2, 3, 4)
    """

    modes = ("soft", "hard")

    def __init__(self, mode="soft", **kwargs):
        super().__init__(mode, **kwargs)

    def _advance(self, mode, chosen, passed, previous, mask):
        real = ops.ones_like(chosen) if mask is None else ops.cast(mask, chosen.dtype)
        # Counted from the end, the last real position is the first one.
        last = ops.flip(ops.cumsum(ops.flip(real, axis=-1), axis=-1), axis=-1) <= 1
        stayed = ops.where(last, previous, previous * chosen)
        return stayed + _before(ops.where(last, 0.0, previous * passed))


def _softmax(scores, mask):
    if mask is not None:
        scores = ops.where(mask, scores, -1e30)
    top = ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
    powers = ops.exp(scores - top)
    if mask is not None:
        powers = ops.where(mask, powers, 0.0)
    # A sum is 0 where the whole row is masked, and at least exp(0) = 1 elsewhere.
    return powers / ops.maximum(ops.sum(powers, axis=-1, keepdims=True), 0.5)


def _log_softmax(scores, mask):
    if mask is not None:
        scores = ops.where(mask, scores, -1e30)
    return scores - ops.logsumexp(scores, axis=-1, keepdims=True)


def _one_hot_of_highest(scores, mask):
    if mask is not None:
        scores = ops.where(mask, scores, -1e30)
    highest = ops.cast(scores == ops.max(scores, axis=-1, keepdims=True), scores.dtype)
    # The first of equals, without argmax: that of Keras does not convert to ONNX.
    first = highest * ops.cast(ops.cumsum(highest, axis=-1) == 1, scores.dtype)
    return _zero_where_masked(mask, first)


def _zero_where_masked(mask, weights):
    return weights if mask is None else ops.where(mask, weights, ops.zeros_like(weights))


def _below_top(scores, mask):
    """Scores less their maximum. Those lower by 1 or more, and masked ones, get no weight: -2.

    Whatever they are, so that their squares stay small.
    """
    if mask is not None:
        scores = ops.where(mask, scores, -1e30)
    scores = scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
    return ops.where(scores > -1, scores, -2.0)


def _descending(scores):
    """Sorted from high to low, and the ranks 1, 2, ..."""
    ordered = -ops.sort(-ops.stop_gradient(scores), axis=-1)
    return ordered, ops.cumsum(ops.ones_like(ordered), axis=-1)


def _implicit(threshold, scores, slopes):
    """`threshold`, with the gradient that keeps the sum of the weights where it is.

    From `sum_j f(s_j - tau) = 1` follows `d tau = sum_j f'_j d s_j / sum_j f'_j`: no gradient of
    the sort, nor of a square root at zero, is needed.
    """
    slopes = ops.stop_gradient(slopes)
    shares = slopes / ops.sum(slopes, axis=-1, keepdims=True)
    change = ops.sum(shares * (scores - ops.stop_gradient(scores)), axis=-1, keepdims=True)
    return ops.stop_gradient(threshold) + change


def _before(x):
    """Moved on by one position; 0 comes in at the first."""
    moved = ops.pad(x, [[0, 0]] * (len(x.shape) - 1) + [[1, 0]])
    return moved[..., :-1]


def _linear_recurrence(decay, gain):
    """`y_j = decay_j y_{j-1} + gain_j` along the last axis, in rounds of doubled reach."""
    length = decay.shape[-1]
    position = ops.arange(ops.shape(decay)[-1])

    def reach_on(shift, decay, gain):
        inside = position >= shift
        earlier_gain = ops.where(inside, ops.roll(gain, shift, axis=-1), 0.0)
        earlier_decay = ops.where(inside, ops.roll(decay, shift, axis=-1), 1.0)
        return 2 * shift, decay * earlier_decay, gain + decay * earlier_gain

    if length is None:
        # Only TensorFlow has unknown lengths; its loop has a gradient.
        rounds = ops.while_loop(
            lambda shift, *_: shift < ops.shape(decay)[-1],
            reach_on,
            (ops.convert_to_tensor(1), decay, gain),
            maximum_iterations=31,
        )
        return rounds[2]
    shift = 1
    while shift < length:
        shift, decay, gain = reach_on(shift, decay, gain)
    return gain


NAMES = {
    "softmax": Softmax,
    "sigmoid": Sigmoid,
    "hardmax": Hardmax,
    "sparsemax": Sparsemax,
    "entmax15": Entmax15,
    "hard_sample": HardSample,
    "monotonic": Monotonic,
    "stepwise_monotonic": StepwiseMonotonic,
}


def get(normalizer, **kwargs):
    """The normalizer named `normalizer`, or `normalizer` itself where it is one already.

    Args:
        normalizer: a name (`"softmax"`, `"sigmoid"`, `"hardmax"`,
            `"sparsemax"`, `"entmax15"`, `"hard_sample"`, `"monotonic"`,
            `"stepwise_monotonic"`), a `Normalizer`, or the config of one.
        **kwargs: for the constructor, where a name is given.

    Raises:
        ValueError: where there is no such normalizer.

    Example:

    >>> from keras_attention import normalizers
    >>> type(normalizers.get("softmax")).__name__
    'Softmax'
    """
    if isinstance(normalizer, dict):
        normalizer = keras.saving.deserialize_keras_object(normalizer)
    if isinstance(normalizer, Normalizer):
        return normalizer
    if isinstance(normalizer, str) and normalizer in NAMES:
        return NAMES[normalizer](**kwargs)
    raise ValueError(
        f"normalizer: expected one of {', '.join(map(repr, NAMES))} or a "
        f"keras_attention.normalizers.Normalizer, received {normalizer!r}."
    )
