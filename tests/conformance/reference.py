"""What the variants compute, as plain loops over numbers; nothing here is the library's code.

Weights are read by the name they have in the library. All numbers are float64.
"""

import math

import numpy as np


def weight(layer, name):
    """The one weight of `layer` whose path ends with `name`."""
    found = [v for v in layer.weights if f"/{v.path}".endswith(f"/{name}")]
    assert len(found) == 1, f"{name} names {len(found)} of {[v.path for v in layer.weights]}"
    return np.asarray(found[0], "float64")


# Scores: one query vector and one key vector to one number.


def dot(score, query, key):
    return sum(q * k for q, k in zip(query, key))


def dot_with_scale(score, query, key):
    return float(weight(score, "g")) * dot(score, query, key)


def scaled_dot(score, query, key):
    return dot(score, query, key) / math.sqrt(len(query))


def general(score, query, key):
    kernel = weight(score, "key_projection/kernel")
    return sum(query[i] * kernel[j, i] * key[j] for i in range(len(query)) for j in range(len(key)))


def general_with_scale(score, query, key):
    return float(weight(score, "g")) * general(score, query, key)


def additive(activation, normalize=False):
    def compare(score, query, key):
        v = weight(score, "v")[:, 0]
        hidden = query @ weight(score, "query_projection/kernel")
        hidden = hidden + key @ weight(score, "key_projection/kernel")
        if normalize:
            hidden = hidden + weight(score, "key_projection/bias")
            v = float(weight(score, "g")) * v / math.sqrt(sum(x * x for x in v))
        return sum(v[u] * activation(hidden[u]) for u in range(len(v)))

    return compare


def cosine(score, query, key):
    lengths = math.sqrt(dot(score, query, query)) * math.sqrt(dot(score, key, key))
    beta = min(math.exp(float(weight(score, "log_scale"))), 100.0)
    return beta * dot(score, query, key) / lengths if lengths else 0.0


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def relu(x):
    return max(x, 0.0)


def biaffine(score, query, key):
    kernel, bias = weight(score, "kernel"), weight(score, "bias")
    size = len(query)
    total = bias[size] + sum(key[j] * kernel[j, size] for j in range(len(key)))
    for i in range(size):
        total += query[i] * bias[i]
        total += sum(query[i] * kernel[j, i] * key[j] for j in range(len(key)))
    return total


# Scores that look back: what the keys gain, `(Tk, U)`, from the weights of all steps before.


def location(score, before):
    return convolved(score, before[-1][:, None])


def cumulative_location(score, before):
    # Tacotron 2 starts with zeros, so that what was summed up is what came after.
    return convolved(score, np.stack([before[-1], sum(before)], axis=-1))


def coverage(score, before):
    return sum(before)[:, None] * weight(score, "coverage")


def convolved(score, alignments):
    """A convolution of `(Tk, channels)`, as loops; outside there are zeros."""
    filters, width = weight(score, "filters"), weight(score, "filters").shape[0]
    length = len(alignments)
    found = np.zeros((length, filters.shape[2]))
    for j in range(length):
        for k in range(width):
            at = j + k - (width - 1) // 2
            if 0 <= at < length:
                found[j] += alignments[at] @ filters[k]
    return found @ weight(score, "feature_projection")


def looking_back(gains):
    def compare(score, query, key, j, before):
        hidden = query @ weight(score, "query_projection/kernel")
        hidden = hidden + key @ weight(score, "key_projection/kernel")
        hidden = hidden + weight(score, "key_projection/bias") + gains(score, before)[j]
        v = weight(score, "v")[:, 0]
        return sum(v[u] * np.tanh(hidden[u]) for u in range(len(v)))

    compare.looks_back = True
    return compare


def mixture(version):
    """Means that all queries so far have moved, then the density at the position."""

    def compare(score, query, key, j, before):
        means = sum(parameters(score, version, asked)[1] for asked in before.queries)
        heights, _, deviations = parameters(score, version, query)
        logs = []
        for height, mean, deviation in zip(heights, means, deviations):
            if version != "v0":
                height = height / (deviation * math.sqrt(2 * math.pi))
            logs.append(math.log(height) - (j + 1 - mean) ** 2 / (2 * deviation**2))
        return np.logaddexp.reduce(logs)

    compare.looks_back = True
    return compare


def parameters(score, version, query):
    """Heights, steps and deviations of the components of a mixture."""
    if score.units is not None:
        query = np.tanh(query @ weight(score, "hidden/kernel") + weight(score, "hidden/bias"))
    raw = query @ weight(score, "parameters/kernel") + weight(score, "parameters/bias")
    a, b, c = np.split(raw, 3)
    if version == "v0":
        return np.exp(a), np.exp(b), np.sqrt(np.exp(-c) / 2)
    shares = np.exp(a) / sum(np.exp(a))
    if version == "v1":
        return shares, np.exp(b), np.sqrt(np.exp(c))
    return shares, np.log(1 + np.exp(b)), np.log(1 + np.exp(c))


# What stands before the first step, over the real positions `kept` of `length`.


def zeros(kept, length):
    return np.zeros(length)


def uniform(kept, length):
    return np.array([1 / len(kept) if j in kept else 0.0 for j in range(length)])


def first(kept, length):
    return np.array([float(j == min(kept)) for j in range(length)])


# Normalizers: scores by position, and the weights before, to weights by position.


def softmax(normalizer, scores, before):
    top = max(scores.values())
    powers = {j: math.exp(score - top) for j, score in scores.items()}
    total = sum(powers.values())
    return {j: power / total for j, power in powers.items()}


def softmax_at(temperature):
    def weigh(normalizer, scores, before):
        return softmax(normalizer, {j: s / temperature for j, s in scores.items()}, before)

    return weigh


def smoothing(normalizer, scores, before):
    total = sum(sigmoid(score) for score in scores.values())
    return {j: sigmoid(score) / total for j, score in scores.items()}


def hardmax(normalizer, scores, before):
    highest = max(scores, key=scores.get)
    return {j: float(j == highest) for j in scores}


def threshold(function):
    """`function(s - tau)` with the tau, found by halving, for which the weights sum to 1."""

    def weigh(normalizer, scores, before):
        low, high = max(scores.values()) - 2.5, max(scores.values())
        for _ in range(200):
            tau = (low + high) / 2
            if sum(function(score - tau) for score in scores.values()) > 1:
                low = tau
            else:
                high = tau
        return {j: function(score - tau) for j, score in scores.items()}

    return weigh


sparsemax = threshold(lambda x: max(x, 0.0))
entmax15 = threshold(lambda x: max(x / 2, 0.0) ** 2)


def monotonic(hard=False):
    def weigh(normalizer, scores, before):
        bias = float(weight(normalizer, "score_bias"))
        weights, reaching = {}, 0.0
        for j in sorted(scores):
            p = float(scores[j] + bias > 0) if hard else sigmoid(scores[j] + bias)
            reaching += before[-1][j]
            weights[j] = p * reaching
            reaching *= 1 - p
        return weights

    return weigh


def stepwise(hard=False):
    def weigh(normalizer, scores, before):
        bias = float(weight(normalizer, "score_bias"))
        weights, moving = {}, 0.0
        for j in sorted(scores):
            stays = float(scores[j] + bias > 0) if hard else sigmoid(scores[j] + bias)
            stays = 1.0 if j == max(scores) else stays
            weights[j] = before[-1][j] * stays + moving
            moving = before[-1][j] * (1 - stays)
        return weights

    return weigh


def exponential(normalizer, scores, before):
    return {j: math.exp(score) for j, score in scores.items()}


# Windows: how many queries came before, and the real positions, to factors by position.


def everywhere(window, query, t, kept):
    return dict.fromkeys(kept, 1.0)


def local_m(window, query, t, kept):
    centre = min(t, len(kept) - 1)
    return {j: 1.0 for i, j in enumerate(kept) if abs(i - centre) <= window.width}


def local_p(window, query, t, kept):
    hidden = np.tanh(query @ weight(window, "kernel")) @ weight(window, "v")[:, 0]
    centre, deviation = len(kept) * sigmoid(hidden), window.width / 2
    return {
        j: math.exp(-((i - centre) ** 2) / (2 * deviation**2))
        for i, j in enumerate(kept)
        if abs(i - centre) <= window.width
    }


# Attention.


class Past(list):
    """The weights of all steps before; `queries` are those of these steps and of this one."""

    def __init__(self):
        super().__init__()
        self.queries = []


def attend(layer, how, query, value, mask, before):
    """One query vector, `(Tk, Dv)` values and their mask to a context and its weights.

    `how` is a dictionary with a score, a normalizer, a window and a start; `before` holds the
    `Past`, and gains this step.
    """
    kept = [j for j in range(len(value)) if mask[j]]
    weights, context = np.zeros(len(value)), np.zeros(value.shape[1])
    if not kept:
        return context, weights
    if not before:
        before.append(how["start"](kept, len(value)))
    before.queries.append(query)
    compare = how["score"]
    factors = how["window"](layer.window, query, len(before) - 1, kept)
    back = [(j, before) if hasattr(compare, "looks_back") else () for j in range(len(value))]
    scores = {j: compare(layer.score, query, value[j], *back[j]) for j in factors}
    for j, w in how["normalizer"](layer.normalizer, scores, before).items():
        weights[j] = w * factors[j]
        context += weights[j] * value[j]
    before.append(weights)
    return how["gate"](layer, query) * context, weights


def ungated(layer, query):
    return 1.0


def gated(layer, query):
    """Xu's beta."""
    return sigmoid(query @ weight(layer, "gate/kernel") + weight(layer, "gate/bias"))


def means(score, normalizer=softmax, window=everywhere, start=zeros, gate=ungated):
    """How an attention computes, for `attend`."""
    axes = {"score": score, "normalizer": normalizer, "window": window, "start": start}
    return {**axes, "gate": gate}


def attention(how, attend=attend):
    """What an `Attention` gives for whole inputs."""

    def compute(layer, inputs):
        query, value = inputs["query"], inputs["value"]
        contexts = np.zeros((*query.shape[:2], value.shape[2]))
        weights = np.zeros((*query.shape[:2], value.shape[1]))
        for b in range(query.shape[0]):
            before = Past()
            for i in range(query.shape[1]):
                if inputs["query_mask"][b, i]:
                    contexts[b, i], weights[b, i] = attend(
                        layer, how, query[b, i], value[b], inputs["value_mask"][b], before
                    )
        return contexts, weights

    return compute


def attend_with_sentinel(layer, how, query, value, mask, before):
    """As `attend`, of a query [h; s]; the scores are additive."""
    kept = [j for j in range(len(value)) if mask[j]]
    weights, context = np.zeros(len(value)), np.zeros(value.shape[1])
    if not kept:
        return context, weights
    hidden, sentinel = np.split(query, 2)
    hidden = hidden @ weight(layer, "query_projection/kernel")
    v = weight(layer, "v")[:, 0]
    of_places, of_sentinel = (
        weight(layer, f"{name}/kernel") for name in ("key_projection", "sentinel_projection")
    )
    scores = {j: v @ np.tanh(hidden + value[j] @ of_places) for j in kept}
    scores["sentinel"] = v @ np.tanh(hidden + sentinel @ of_sentinel)
    shares = how["normalizer"](layer.normalizer, scores, before)
    context = shares.pop("sentinel") * sentinel
    for j, w in shares.items():
        weights[j] = w
        context = context + w * value[j]
    return context, weights


def multi_head(how):
    """What a `MultiHeadAttention` gives: head by head, then joined."""

    def compute(layer, inputs):
        def projected(name, x):
            return x @ weight(layer, f"{name}/kernel") + weight(layer, f"{name}/bias")

        query = projected("query_heads", inputs["query"])
        key, value = (projected(f"{n}_heads", inputs["value"]) for n in ("key", "value"))
        heads, averaged = [], 0.0
        for h in range(layer.num_heads):
            k = slice(h * layer.key_dim, (h + 1) * layer.key_dim)
            v = slice(h * layer.value_dim, (h + 1) * layer.value_dim)
            masks = {name: inputs[f"{name}_mask"] for name in ("query", "value")}
            asked = {"query": query[..., k], "query_mask": masks["query"]}
            # A head's values enter the sum, its keys the scores: asked twice, each for its own.
            one = {**asked, "value": key[..., k], "value_mask": masks["value"]}
            _, weights = attention(how)(layer, one)
            heads.append(np.einsum("bij,bjd->bid", weights, value[..., v]))
            averaged = averaged + weights / layer.num_heads
        contexts = projected("output_projection", np.concatenate(heads, axis=-1))
        return contexts * inputs["query_mask"][..., None], averaged

    return compute


# Cells: an input vector and a list of state vectors to an output and the next states.


def simple_rnn(cell, x, states):
    h = np.tanh(
        x @ weight(cell, "kernel") + weight(cell, "bias") + states[0] @ recurrent_kernel(cell)
    )
    return h, [h]


def lstm(cell, x, states):
    h, c = states
    gates = x @ weight(cell, "kernel") + h @ recurrent_kernel(cell) + weight(cell, "bias")
    i, f, new, o = np.split(gates, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(new)
    h = sigmoid(o) * np.tanh(c)
    return h, [h, c]


def sentinel(cell, x, states):
    _, (h, c) = lstm(cell, x, states)
    gate = x @ weight(cell, "sentinel_kernel")
    gate = sigmoid(gate + states[0] @ weight(cell, "sentinel_recurrent_kernel"))
    return np.concatenate([h, gate * np.tanh(c)]), [h, c]


def gru(cell, x, states):
    (h,) = states
    input_bias, recurrent_bias = weight(cell, "bias")
    xz, xr, xh = np.split(x @ weight(cell, "kernel") + input_bias, 3)
    hz, hr, hh = np.split(h @ recurrent_kernel(cell) + recurrent_bias, 3)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    h = z * h + (1 - z) * np.tanh(xh + r * hh)
    return h, [h]


def leaky(cell, x, states):
    h = 0.5 * states[0] + 0.5 * np.tanh(x @ weight(cell, "kernel"))
    return h, [h]


def recurrent_kernel(cell):
    return weight(cell, "recurrent_kernel")


def stacked(*cells):
    """Cells of which each gives its output to the next; `cells` are (step, states) pairs."""

    def compute(cell, x, states):
        after, states = [], list(states)
        for part, (step, count) in zip(cell.cells, cells):
            x, new = step(part, x, [states.pop(0) for _ in range(count)])
            after += new
        return x, after

    return compute


# The recurrence.


def attention_rnn(step_cell, how, asks_with, upper=(), attend=attend):
    """What an `AttentionRNN` gives; `asks_with` is the state vector that asks under "before".

    `upper` are (step, number of states) pairs of the cells above.
    """

    def compute(layer, inputs):
        sequence, value = inputs["sequence"], inputs["value"]
        units = flat(layer.cell.state_size)
        width = [layer.cell, *layer.upper_cells][-1].output_size
        returned, width = width, width + value.shape[2]
        if layer.attention_layer is not None:
            width = weight(layer.attention_layer, "kernel").shape[1]
        returned = width if layer.output_attention else returned
        outputs = np.zeros((*sequence.shape[:2], returned))
        all_weights = np.zeros((*sequence.shape[:2], value.shape[1]))
        for b in range(sequence.shape[0]):
            before = Past()

            def ask(query, row=b, before=before):
                mask = inputs["value_mask"][row]
                return attend(layer.attention, how, query, value[row], mask, before)

            above = [
                [np.zeros(size) for size in flat(cell.state_size)] for cell in layer.upper_cells
            ]
            states, fed = [np.zeros(size) for size in units], np.zeros(width)
            for t in range(sequence.shape[1]):
                if not inputs["sequence_mask"][b, t]:
                    continue
                x = [sequence[b, t]]
                if layer.attend == "before":
                    context, weights = ask(states[asks_with])
                    x.append(context)
                if layer.input_feeding:
                    x.append(fed)
                output, states = step_cell(layer.cell, np.concatenate(x), states)
                if layer.attend == "after":
                    context, weights = ask(output)
                for i, (climb, _) in enumerate(upper):
                    joined = np.concatenate([output, context])
                    output, above[i] = climb(layer.upper_cells[i], joined, above[i])
                fed = np.concatenate([output, context])
                if layer.attention_layer is not None:
                    fed = fed @ weight(layer.attention_layer, "kernel")
                outputs[b, t] = fed if layer.output_attention else output
                all_weights[b, t] = weights
        return outputs, all_weights

    return compute


def top_down(step_cell, how, step_language_cell):
    """What a `TopDownRNN` gives."""

    def compute(layer, inputs):
        sequence, value = inputs["sequence"], inputs["value"]
        attention, (language_cell,) = layer.attention.attention, layer.upper_cells
        size = language_cell.output_size
        outputs = np.zeros((*sequence.shape[:2], size))
        all_weights = np.zeros((*sequence.shape[:2], value.shape[1]))
        for b in range(sequence.shape[0]):
            mask, before, said = inputs["value_mask"][b], Past(), np.zeros(size)
            mean = value[b][mask].mean(axis=0) if mask.any() else np.zeros(value.shape[2])
            lower = [np.zeros(units) for units in flat(layer.cell.state_size)]
            upper = [np.zeros(units) for units in flat(language_cell.state_size)]
            for t in range(sequence.shape[1]):
                if not inputs["sequence_mask"][b, t]:
                    continue
                x = np.concatenate([sequence[b, t], mean, said])
                hidden, lower = step_cell(layer.cell, x, lower)
                context, weights = attend(attention, how, hidden, value[b], mask, before)
                joined = np.concatenate([hidden, context])
                said, upper = step_language_cell(language_cell, joined, upper)
                outputs[b, t], all_weights[b, t] = said, weights
        return outputs, all_weights

    return compute


def flat(sizes):
    return [s for size in sizes for s in flat(size)] if isinstance(sizes, list | tuple) else [sizes]
