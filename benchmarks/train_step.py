"""One training step of an attention decoder: loss, gradients, Adam.

Batch 64, source 20, target 20, vocabulary 4,000, embedding 128, LSTM of 256, additive attention of
256 units, attentional layer of 256 with input feeding. The memory is given, and its gradient is
taken as an encoder would need it. All start from the same weights and find the same losses.
Ours runs as `fit` compiles it by default, with XLA, and without; tfa's decoder cannot be compiled
by XLA.
"""

from harness import Case, Comparison

OURS, PLAIN, TFA, TORCH = "keras_attention, XLA", "keras_attention", "tfa", "torch"
# Small enough that its place in Adam's formula makes no difference.
EPSILON = 1e-12


def comparisons(smoke):
    sizes = (64, 20, 20, 4000, 128, 256)
    size = {"sizes": (2, 3, 4, 15, 5, 6) if smoke else sizes}
    cases = [
        Case(OURS, "project", ours, {**size, "xla": True}),
        Case(PLAIN, "project", ours, {**size, "xla": False}),
        Case(TFA, "tfa", tfa, size),
        Case(TORCH, "torch", torch_loop, size),
    ]
    return [Comparison("decoder", cases)]


def summary(measured):
    cases, section = measured["decoder"], {}
    for peer in (TFA, TORCH):
        for suffix, own in (("", OURS), ("_without_xla", PLAIN)):
            if peer in cases:
                ratio = round(cases[own]["ms"] / cases[peer]["ms"], 3)
                section[f"time_ratio_{peer}{suffix}"] = ratio
    return section


def claims(section):
    ratio = section.get("time_ratio_tfa")
    holds = None if ratio is None else ratio <= 0.75
    return [("a training step takes at most 0.75 of tfa's time", holds)]


def inputs(sizes):
    """Ids, labels, memory, and the weights by name."""
    import numpy as np

    batch, source, target, vocabulary, embedding, units = sizes
    rng = np.random.default_rng(0)
    # No id occurs twice: Keras 3 squares the gradients of a row of the embedding separately,
    # Keras 2 and PyTorch add them first, and the losses would soon differ.
    ids = rng.permutation(np.arange(4, vocabulary))[: batch * target].reshape(batch, target)
    labels = rng.integers(4, vocabulary, (batch, target)).astype("int32")
    shapes = {
        "embedding": (vocabulary, embedding),
        "kernel": (embedding + units, 4 * units),
        "recurrent": (units, 4 * units),
        "query": (units, units),
        "key": (units, units),
        "v": (units, 1),
        "layer": (2 * units, units),
        "logits": (units, vocabulary),
    }
    weights = {
        name: (rng.normal(size=shape) / np.sqrt(shape[0])).astype("float32")
        for name, shape in shapes.items()
    }
    return (
        ids.astype("int32"),
        labels,
        rng.normal(size=(batch, source, units)).astype("float32"),
        weights,
    )


def ours(sizes, xla):
    import keras
    from keras import layers

    from keras_attention import AttentionRNN, BahdanauAttention
    from keras_attention.losses import SequenceCrossentropy

    _, source, target, vocabulary, embedding, units = sizes
    ids, memory = keras.Input((target,), dtype="int32"), keras.Input((source, units))
    embed, logits = layers.Embedding(vocabulary, embedding), layers.Dense(vocabulary)
    cell, attention = layers.LSTMCell(units), BahdanauAttention(units)
    decoder = AttentionRNN(cell, attention, attention_layer=units)
    model = keras.Model([ids, memory], logits(decoder(embed(ids), memory)))
    score = attention.score
    named = {
        "embedding": embed.embeddings,
        "kernel": cell.kernel,
        "recurrent": cell.recurrent_kernel,
        "query": score.query_projection.kernel,
        "key": score.key_projection.kernel,
        "v": score.v,
        "layer": decoder.attention_layer.kernel,
        "logits": logits.kernel,
    }
    loss, optimizer = SequenceCrossentropy(), keras.optimizers.Adam(epsilon=EPSILON)
    weights = model.trainable_weights
    optimizer.build(weights)
    return _tensorflow(
        sizes,
        named,
        lambda ids, labels, memory: loss(labels, model([ids, memory], training=True)),
        [weight.value for weight in weights],
        lambda gradients: optimizer.apply(gradients, weights),
        xla,
    )


def tfa(sizes):
    import tensorflow as tf
    from tensorflow_addons import seq2seq

    _, _, target, vocabulary, embedding, units = sizes
    embed, logits = (
        tf.keras.layers.Embedding(vocabulary, embedding),
        tf.keras.layers.Dense(vocabulary),
    )
    mechanism = seq2seq.BahdanauAttention(units)
    cell = tf.keras.layers.LSTMCell(units)
    wrapper = seq2seq.AttentionWrapper(cell, mechanism, attention_layer_size=units)
    decoder = seq2seq.BasicDecoder(wrapper, seq2seq.TrainingSampler(), output_layer=logits)
    optimizer = tf.keras.optimizers.Adam(epsilon=EPSILON)

    def loss(ids, labels, memory):
        mechanism.setup_memory(memory)
        state = wrapper.get_initial_state(batch_size=ids.shape[0], dtype=tf.float32)
        lengths = tf.fill([ids.shape[0]], target)
        outputs, *_ = decoder(embed(ids), initial_state=state, sequence_length=lengths)
        weights = tf.cast(labels != 0, tf.float32)
        return seq2seq.sequence_loss(outputs.rnn_output, labels, weights)

    ids, labels, memory, _ = inputs(sizes)
    loss(*map(tf.constant, (ids, labels, memory)))
    named = {
        "embedding": embed.embeddings,
        "kernel": cell.kernel,
        "recurrent": cell.recurrent_kernel,
        "query": mechanism.query_layer.kernel,
        "key": mechanism.memory_layer.kernel,
        "v": mechanism.attention_v,
        "layer": wrapper._attention_layers[0].kernel,
        "logits": logits.kernel,
    }
    weights = [*named.values(), cell.bias, logits.bias]
    optimizer.build(weights)
    return _tensorflow(
        sizes,
        named,
        loss,
        weights,
        lambda gradients: optimizer.apply_gradients(zip(gradients, weights)),
        xla=False,
    )


def _tensorflow(sizes, named, loss_of, weights, update, xla):
    import tensorflow as tf

    ids, labels, memory, values = inputs(sizes)
    for name, variable in named.items():
        variable.assign(values[name].reshape(variable.shape))
    ids, labels, memory = map(tf.constant, (ids, labels, memory))

    @tf.function(jit_compile=xla)
    def step(ids, labels, memory):
        with tf.GradientTape() as tape:
            tape.watch(memory)
            loss = loss_of(ids, labels, memory)
        *gradients, of_memory = tape.gradient(loss, [*weights, memory])
        update(gradients)
        return loss, of_memory

    step.get_concrete_function(ids, labels, memory)
    return lambda: [array.numpy() for array in step(ids, labels, memory)]


def torch_loop(sizes):
    import torch
    from harness import THREADS
    from torch import nn

    torch.set_num_threads(THREADS)
    batch, _, target, vocabulary, embedding, units = sizes
    ids, labels, memory, values = inputs(sizes)
    embed, logits = nn.Embedding(vocabulary, embedding), nn.Linear(units, vocabulary)
    cell = nn.LSTMCell(embedding + units, units)
    query, key = nn.Linear(units, units, bias=False), nn.Linear(units, units, bias=False)
    v, layer = nn.Linear(units, 1, bias=False), nn.Linear(2 * units, units, bias=False)
    # Keras has one bias, which starts at 1 for the forget gate, and 0 elsewhere.
    cell.bias_hh.requires_grad_(False).zero_()
    with torch.no_grad():
        cell.bias_ih.zero_()
        cell.bias_ih[units : 2 * units] = 1.0
        logits.bias.zero_()
        embed.weight.copy_(torch.from_numpy(values["embedding"]))
        for weight, name in (
            (cell.weight_ih, "kernel"),
            (cell.weight_hh, "recurrent"),
            (query.weight, "query"),
            (key.weight, "key"),
            (v.weight, "v"),
            (layer.weight, "layer"),
            (logits.weight, "logits"),
        ):
            weight.copy_(torch.from_numpy(values[name]).T)
    modules = nn.ModuleList([embed, cell, query, key, v, layer, logits])
    trained = [weight for weight in modules.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(trained, eps=EPSILON)
    ids, labels = torch.from_numpy(ids).long(), torch.from_numpy(labels).long()
    memory = torch.from_numpy(memory).requires_grad_()

    def run():
        optimizer.zero_grad()
        memory.grad = None
        keys, inputs = key(memory), embed(ids)
        h = c = a = torch.zeros(batch, units)
        vectors = []
        for t in range(target):
            h, c = cell(torch.cat([inputs[:, t], a], -1), (h, c))
            scores = v(torch.tanh(query(h).unsqueeze(1) + keys)).squeeze(-1)
            context = torch.bmm(torch.softmax(scores, -1).unsqueeze(1), memory).squeeze(1)
            a = layer(torch.cat([h, context], -1))
            vectors.append(a)
        predicted = logits(torch.stack(vectors, 1))
        loss = nn.functional.cross_entropy(predicted.flatten(0, 1), labels.flatten())
        loss.backward()
        optimizer.step()
        return loss.detach().numpy(), memory.grad.numpy()

    return run
