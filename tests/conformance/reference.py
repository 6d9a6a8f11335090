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


# Attention.


def attend(compare, score, query, value, mask):
    """One query vector, `(Tk, Dv)` values and their mask to a context and its weights."""
    kept = [j for j in range(len(value)) if mask[j]]
    scores = {j: compare(score, query, value[j]) for j in kept}
    weights, context = np.zeros(len(value)), np.zeros(value.shape[1])
    if kept:
        top = max(scores.values())
        total = sum(math.exp(scores[j] - top) for j in kept)
        for j in kept:
            weights[j] = math.exp(scores[j] - top) / total
            context += weights[j] * value[j]
    return context, weights


def attention(compare):
    """What an `Attention` with this score gives for whole inputs."""

    def compute(layer, inputs):
        query, value = inputs["query"], inputs["value"]
        contexts = np.zeros((*query.shape[:2], value.shape[2]))
        weights = np.zeros((*query.shape[:2], value.shape[1]))
        for b in range(query.shape[0]):
            for i in range(query.shape[1]):
                if inputs["query_mask"][b, i]:
                    contexts[b, i], weights[b, i] = attend(
                        compare, layer.score, query[b, i], value[b], inputs["value_mask"][b]
                    )
        return contexts, weights

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


def attention_rnn(step_cell, compare, asks_with):
    """What an `AttentionRNN` gives; `asks_with` is the state vector that asks under "before"."""

    def compute(layer, inputs):
        sequence, value = inputs["sequence"], inputs["value"]
        units = flat(layer.cell.state_size)
        width = units[-1] + value.shape[2]
        if layer.attention_layer is not None:
            width = weight(layer.attention_layer, "kernel").shape[1]
        outputs = np.zeros((*sequence.shape[:2], width))
        all_weights = np.zeros((*sequence.shape[:2], value.shape[1]))
        for b in range(sequence.shape[0]):

            def ask(query, row=b):
                mask = inputs["value_mask"][row]
                return attend(compare, layer.attention.score, query, value[row], mask)

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
                fed = np.concatenate([output, context])
                if layer.attention_layer is not None:
                    fed = fed @ weight(layer.attention_layer, "kernel")
                outputs[b, t], all_weights[b, t] = fed, weights
        return outputs, all_weights

    return compute


def flat(sizes):
    return [s for size in sizes for s in flat(size)] if isinstance(sizes, list | tuple) else [sizes]
