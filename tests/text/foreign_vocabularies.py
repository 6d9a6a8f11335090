"""Vocabularies of other libraries, small ones made from the verses, and the ids that they give."""

from __future__ import annotations

import functools
import io
import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_attention.text import SpecialIds, as_vocabulary

VERSES = json.loads(Path(__file__).parents[1].joinpath("fixtures/verses.json").read_text("utf-8"))
LINES = [line for lines in VERSES.values() for line in lines]
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
HOSTILE = [
    "",
    " ",
    "  two  spaces ",
    "tab\tline\nfeed\r",
    "e\N{COMBINING ACUTE ACCENT}tude a\N{COMBINING DIAERESIS}\N{COMBINING MACRON}",
    "\u05e9\u05dc\u05d5\u05dd \u0627\u0644\u0633\u0644\u0627\u0645",
    "\u4f60\u597d\u4e16\u754c",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f600!",
    "nul\0inside",
    "\x01\x1f\x7f\x85",
    "word " * 2000,
    "x" * 5000,
    "<end>",
    "[end] [PAD] [CLS] </s> <s> <pad> <unk> <|endoftext|>",
    "[START]in[SEP]side",
    "ﬁ Ⅳ ㎏ İstanbul ΑΣ ß",
    'don\'t. "quoted" (a,b) $5 ^`|~ \u00a0x\u2003y\u3000z',
    "##ing ▁mark Ġspace",
]


@keras.saving.register_keras_serializable(package="tests")
def only_lower(texts):
    return tf.strings.lower(texts)


def unpadded(row, pad):
    row = np.asarray(row).tolist()
    while row and row[-1] == pad:
        row.pop()
    return row


def vectorization(**options):
    # Starts and ends as tutorials write them: into the texts.
    layer = keras.layers.TextVectorization(2000, **options)
    layer.adapt([f"[start] {line} [end]" for line in LINES])
    return layer, lambda text: unpadded(layer([text])[0], 0)


def lookup():
    layer = keras.layers.StringLookup(mask_token="[PAD]", oov_token="[UNK]")
    layer.adapt([word for line in LINES for word in [*line.split(), "[START]", "[END]"]])
    return layer, lambda text: np.asarray(layer(tf.strings.split(text))).tolist()


@functools.cache
def sentence_piece(kind="unigram", **options):
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES),
        model_writer=model,
        vocab_size=700,
        model_type=kind,
        minloglevel=2,
        **options,
    )
    return model.getvalue()


def tokenizers_of(kind):
    import tokenizers
    from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

    if kind == "word pieces":
        made = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
        made.normalizer = normalizers.BertNormalizer()
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        made.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(
            vocab_size=900, special_tokens=SPECIALS, show_progress=False
        )
    elif kind == "bytes":
        made = tokenizers.Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=700,
            special_tokens=["<|endoftext|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    else:
        made = tokenizers.Tokenizer(models.Unigram())
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=600,
            special_tokens=["<pad>", "<s>", "</s>", "<unk>"],
            unk_token="<unk>",
            show_progress=False,
        )
    made.train_from_iterator(LINES, trainer)
    return made, lambda text: made.encode(text, add_special_tokens=False).ids


def keras_hub_of(kind):
    from keras_hub import tokenizers

    if kind == "words":
        made, _ = tokenizers_of("word pieces")
        ids = made.get_vocab()
        made = tokenizers.WordPieceTokenizer(sorted(ids, key=ids.get), lowercase=True)
    elif kind == "bytes":
        content = json.loads(tokenizers_of("bytes")[0].to_str())["model"]
        merges = [" ".join(pair) for pair in content["merges"]]
        made = tokenizers.BytePairTokenizer(content["vocab"], merges)
    else:
        made = tokenizers.SentencePieceTokenizer(sentence_piece(pad_id=3))
        return made, lambda text: np.asarray(made.tokenize(text)).tolist()
    return made, lambda text: np.asarray(made.tokenize(text.replace("\0", " "))).tolist()


def processor(kind, **options):
    import sentencepiece

    model = sentence_piece(kind, **options)
    return model, sentencepiece.SentencePieceProcessor(model_proto=model).encode


# Per name: the original and its own ids of a text.
MAKERS = {
    "vectorization": lambda: vectorization(standardize=None),
    "standardized": lambda: vectorization(),
    "function": lambda: vectorization(standardize=only_lower),
    "characters": lambda: vectorization(standardize="lower", split="character"),
    "ngrams": lambda: vectorization(standardize="strip_punctuation", ngrams=2),
    "cut": lambda: vectorization(standardize="lower", output_sequence_length=7),
    "lookup": lookup,
    "unigrams": lambda: processor("unigram"),
    "byte fallback": lambda: processor("bpe", byte_fallback=True, character_coverage=0.99),
    "tokenizers: word pieces": lambda: tokenizers_of("word pieces"),
    "tokenizers: bytes": lambda: tokenizers_of("bytes"),
    "tokenizers: unigrams": lambda: tokenizers_of("unigrams"),
    "hub: word pieces": lambda: keras_hub_of("words"),
    "hub: bytes": lambda: keras_hub_of("bytes"),
    "hub: sentence pieces": lambda: keras_hub_of("sentence pieces"),
}
# Where start and end have no tokens of their own.
DECLARED = {
    "standardized": SpecialIds(0, 2, 3, 1),
    "ngrams": SpecialIds(0, 2, 3, 1),
}
NOT_IN_GRAPHS = ("tokenizers: bytes", "tokenizers: unigrams")


@functools.cache
def made(name):
    """The original, its ids of a text, and the vocabulary."""
    original, ids_of = MAKERS[name]()
    special = DECLARED.get(name)
    if name == "characters":
        # Those that occur least.
        size = original.vocabulary_size()
        special = SpecialIds(0, size - 2, size - 1, 1)
    return original, ids_of, as_vocabulary(original, special_ids=special)
