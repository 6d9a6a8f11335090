"""A SavedModel with the signatures of a translator, whose answers are known in advance."""

import tensorflow as tf

STRING = tf.TensorSpec((None,), tf.string, "text")
POISON = "boom"


def said(text):
    """Its translation of a text: the words in reverse order, in capitals."""
    return " ".join(reversed(text.upper().split()))


def save_mirror(folder, factor=1.0):
    """Writes the SavedModel; the score is minus the number of words, times `factor`."""

    def words(text):
        ragged = tf.strings.split(text)
        check = tf.debugging.assert_none_equal(
            ragged.flat_values, POISON, message="this word is poison"
        )
        with tf.control_dependencies([check]):
            lengths = tf.cast(ragged.row_lengths(), tf.int32)
        sources = ragged.to_tensor("")
        sources = tf.pad(sources, [[0, 0], [0, tf.maximum(0, 1 - tf.shape(sources)[1])]])
        return sources, lengths

    def hypothesis(sources, lengths, reverse):
        upper = tf.strings.upper(sources, encoding="utf-8")
        targets = tf.reverse_sequence(upper, lengths, 1) if reverse else upper
        positions = tf.range(tf.shape(sources)[1])
        looked = tf.tile(positions[None], [tf.shape(sources)[0], 1])
        if reverse:
            looked = tf.reverse_sequence(looked, lengths, 1)
        weights = 0.75 * tf.one_hot(looked, tf.shape(sources)[1])
        weights *= tf.sequence_mask(lengths, tf.shape(sources)[1], tf.float32)[:, :, None]
        # The end token takes a step too.
        targets = tf.pad(targets, [[0, 0], [0, 1]])
        weights = tf.pad(weights, [[0, 0], [0, 1], [0, 0]])
        texts = tf.strings.strip(tf.strings.reduce_join(targets, axis=1, separator=" "))
        scores = -factor * tf.cast(lengths, tf.float32) - (0.0 if reverse else 0.5)
        return texts, scores, targets, weights

    def greedy(text):
        sources, lengths = words(text)
        texts, scores, targets, weights = hypothesis(sources, lengths, True)
        return {
            "texts": texts,
            "scores": scores,
            "source_tokens": sources,
            "target_tokens": targets,
            "attention": weights,
        }

    def beam(text):
        sources, lengths = words(text)
        pair = zip(hypothesis(sources, lengths, True), hypothesis(sources, lengths, False))
        texts, scores, targets, weights = (tf.stack(part, axis=1) for part in pair)
        return {
            "texts": texts,
            "scores": scores,
            "source_tokens": tf.identity(sources),
            "target_tokens": targets,
            "attention": weights,
        }

    module = tf.Module()
    functions = {
        name: tf.function(function, autograph=False).get_concrete_function(STRING)
        for name, function in {"greedy": greedy, "beam": beam}.items()
    }
    functions["serving_default"] = functions["greedy"]
    tf.saved_model.save(module, str(folder), signatures=functions)
