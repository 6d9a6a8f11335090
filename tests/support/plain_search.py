"""Beam search as plain loops, hypothesis by hypothesis, and tiny models to search with."""

import itertools

import numpy as np
import tensorflow as tf

from keras_attention.text import END, PAD, START


class Toy:
    """A recurrent model with a memory in a few lines, independent of the library."""

    def __init__(self, vocabulary=9, units=5, seed=0, end_bias=0.0, sharp=1.5):
        rng = np.random.default_rng(seed)

        def weights(*shape):
            # Variables, since an exporter takes captured constants for inputs.
            return tf.Variable(sharp * rng.normal(size=shape), dtype=tf.float32)

        self.source, self.embedding = weights(20, units), weights(vocabulary, units)
        self.recurrent, self.output = weights(units, units), weights(units, vocabulary)
        self.bias = tf.Variable(np.eye(vocabulary)[END] * end_bias, dtype=tf.float32)

    def start(self, inputs):
        ids = tf.convert_to_tensor(inputs)
        memory, mask = tf.gather(self.source, ids), tf.not_equal(ids, PAD)
        counts = tf.reduce_sum(tf.cast(mask, tf.float32), -1, keepdims=True)
        first = tf.reduce_sum(memory * tf.cast(mask, tf.float32)[..., None], 1) / counts
        # None, an empty tuple and nesting, as states may have.
        return {"memory": (memory, mask, None), "loop": [first, ()]}

    def step(self, tokens, state):
        memory, mask, _ = state["memory"]
        last = state["loop"][0]
        h = tf.tanh(tf.gather(self.embedding, tokens) + tf.matmul(last, self.recurrent))
        scores = tf.einsum("bsd,bd->bs", memory, h)
        weights = tf.nn.softmax(tf.where(mask, scores, -1e9))
        context = tf.einsum("bsd,bs->bd", memory, weights)
        logits = tf.matmul(h + context, self.output) + self.bias
        return logits, {"memory": state["memory"], "loop": [h, ()]}, weights


class Path:
    """The outputs of a model after given tokens, for one example; each step runs once."""

    def __init__(self, model, row):
        source = np.asarray(row)
        self.model, self.length = model, int(np.sum(source != 0))
        self.states = {(): (START, model.start(source[source != 0][None]))}
        self.known = {}

    def __call__(self, tokens):
        """Log-probabilities `(V,)` of the next token and the weights `(S,)` of this step."""
        if tokens not in self.known:
            last, state = self.states[tokens]
            logits, state, weights = self.model.step(tf.constant([last]), state)
            logits = np.asarray(logits, "float64")[0]
            logp = logits - logits.max()
            logp -= np.log(np.sum(np.exp(logp)))
            self.known[tokens] = logp, np.asarray(weights, "float64")[0]
            for token in range(len(logp)):
                self.states[(*tokens, token)] = token, state
        return self.known[tokens]

    def attention(self, tokens):
        return np.array([self(tokens[:i])[1] for i in range(len(tokens))])


def plain_search(path, width, longest, score=None, allowed=None, prefix=(), n_best=None):
    """The n best `(score, tokens)` of one row.

    Args:
        path: a `Path`.
        width: the number of unfinished hypotheses.
        longest: the largest number of tokens.
        score: `score(logp, tokens)`; by default the log-probability.
        allowed: `allowed(tokens, token)`, whether the token may follow.
        prefix: tokens that are forced, 0 where nothing is.
        n_best: how many are returned, by default `width`.
    """
    score = score or (lambda logp, tokens: logp)
    going_on, finished = [(0.0, ())], []
    for t in range(longest):
        candidates = []
        forced = prefix[t] if t < len(prefix) else 0
        for logp, tokens in going_on:
            next_logp, _ = path(tokens)
            for token, its_logp in enumerate(next_logp):
                if token in (PAD, START) or (forced and token != forced):
                    continue
                if forced or allowed is None or allowed(tokens, token):
                    candidates.append((logp + its_logp, (*tokens, token)))
        candidates.sort(reverse=True)
        finished += [one for one in candidates[:width] if one[1][-1] == END]
        going_on = [one for one in candidates if one[1][-1] != END][:width]
    found = [(score(logp, tokens), tokens) for logp, tokens in finished + going_on]
    return sorted(found, reverse=True)[: n_best or width]


def plain_diverse_search(
    path, width, groups, diversity, longest, score=None, allowed=None, prefix=(), n_best=None
):
    """The n best `(score, tokens)` of one row by groups, as `plain_search`."""
    score = score or (lambda logp, tokens: logp)
    each = width // groups
    going_on, finished = [[(0.0, ())] for _ in range(groups)], []
    for t in range(longest):
        forced = prefix[t] if t < len(prefix) else 0
        chosen = []
        for group in range(groups):
            candidates = []
            for logp, tokens in going_on[group]:
                next_logp, _ = path(tokens)
                for token, its_logp in enumerate(next_logp):
                    if token in (PAD, START) or (forced and token != forced):
                        continue
                    if forced or allowed is None or allowed(tokens, token):
                        value = logp + its_logp
                        if token != END:
                            value -= diversity * chosen.count(token)
                        candidates.append((value, logp + its_logp, (*tokens, token)))
            candidates.sort(reverse=True)
            finished += [one[1:] for one in candidates[:each] if one[2][-1] == END]
            kept = [one[1:] for one in candidates if one[2][-1] != END][:each]
            chosen += [tokens[-1] for _, tokens in kept]
            going_on[group] = kept
    found = [
        (score(logp, tokens), tokens)
        for logp, tokens in finished + list(itertools.chain(*going_on))
    ]
    return sorted(found, reverse=True)[: n_best or width]


def contains(tokens, phrase):
    """Whether a phrase occurs in tokens."""
    width = len(phrase)
    return any(tuple(tokens[i : i + width]) == tuple(phrase) for i in range(len(tokens)))


def plain_constrained_search(path, width, longest, phrases, score=None, allowed=None, n_best=None):
    """The n best `(score, tokens)` of one row that contain all phrases."""
    score = score or (lambda logp, tokens: logp)

    def missing(tokens):
        absent = [phrase for phrase in phrases if not contains(tokens, phrase)]
        begun = [
            n
            for phrase in absent
            for n in range(1, len(phrase))
            if tuple(tokens[-n:]) == tuple(phrase[:n])
        ]
        return sum(map(len, absent)) - max(begun, default=0)

    going_on, finished = [(0.0, ())], []
    known = {token for phrase in phrases for token in phrase}
    for t in range(longest):
        candidates, ends = [], []
        for logp, tokens in going_on:
            next_logp, _ = path(tokens)
            others = []
            for token, its_logp in enumerate(next_logp):
                if token in (PAD, START) or (allowed and not allowed(tokens, token)):
                    continue
                one = (logp + its_logp, (*tokens, token))
                if token == END:
                    if not missing(tokens):
                        ends.append(one)
                elif missing(one[1]) <= longest - t - 1:
                    (candidates if token in known else others).append(one)
            candidates += sorted(others, reverse=True)[:width]
        candidates.sort(reverse=True)
        banks = {}
        for one in candidates:
            banks.setdefault(missing(one[1]), []).append(one)
        complete = sorted(banks.get(0, []) + ends, reverse=True)[:width]
        finished += [one for one in complete if one[1][-1] == END]
        order = [(rank, bank, one) for bank, ones in banks.items() for rank, one in enumerate(ones)]
        order.sort(key=lambda it: it[:2])
        going_on = sorted((one for _, _, one in order[:width]), reverse=True)
    found = {tokens: score(logp, tokens) for logp, tokens in finished + going_on}
    for value, tokens in plain_search(path, width, longest, score, allowed, n_best=n_best):
        if all(contains(tokens, phrase) for phrase in phrases):
            found[tokens] = value
    found = sorted(((value, tokens) for tokens, value in found.items()), reverse=True)
    return found[: n_best or width]


def plain_contrastive_search(path, hidden, top_k, alpha, longest, allowed=None, prefix=()):
    """The `(score, tokens)` of one row; `hidden(tokens)` are vectors after tokens were read."""

    def vector(tokens):
        h = np.asarray(hidden(tokens), "float64")
        return h / np.linalg.norm(h)

    tokens, total, before = (), 0.0, [vector(())]
    for t in range(longest):
        forced = prefix[t] if t < len(prefix) else 0
        logp, _ = path(tokens)
        possible = [
            (logp[token], token)
            for token in range(len(logp))
            if token not in (PAD, START)
            and (token == forced if forced else allowed is None or allowed(tokens, token))
        ]
        best = None
        for its_logp, token in sorted(possible, reverse=True)[:top_k]:
            similar = max(float(vector((*tokens, token)) @ one) for one in before)
            value = (1 - alpha) * np.exp(its_logp) - alpha * similar
            if best is None or value > best[0]:
                best = value, its_logp, token
        tokens, total = (*tokens, best[2]), total + best[1]
        before.append(vector(tokens))
        if best[2] == END:
            break
    return total, tokens
