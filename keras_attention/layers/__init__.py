"""What a user puts into a Keras model."""

from keras_attention._core.linear_chain import (
    crf_decode,
    crf_log_likelihood,
    crf_log_norm,
    crf_marginals,
    crf_potentials,
)
from keras_attention._core.memory import Memory
from keras_attention.layers.attention import Attention
from keras_attention.layers.attention_rnn import AttentionRNN
from keras_attention.layers.blocks import TransformerBlock
from keras_attention.layers.crf import CRF, CRFDecoder
from keras_attention.layers.decoder_block import TransformerDecoderBlock
from keras_attention.layers.extended_vocabulary import (
    ExtendedVocabulary,
    extended_ids,
    restored_ids,
    within_vocabulary,
)
from keras_attention.layers.hierarchical import HierarchicalAttention
from keras_attention.layers.multi_head import MultiHeadAttention
from keras_attention.layers.multi_source import MultiSourceAttention
from keras_attention.layers.pointer import PointerHead, used_positions
from keras_attention.layers.pointer_generator import PointerGenerator
from keras_attention.layers.pooling import AttentionPooling, StructuredSelfAttention
from keras_attention.layers.presets import BahdanauAttention, LuongAttention
from keras_attention.layers.scheduled_sampling import (
    ScheduledEmbedding,
    ScheduledOutput,
    ScheduledSampling,
)
from keras_attention.layers.states import (
    AttentionNoise,
    AttentionRNNState,
    AttentionState,
    TransformerDecoderState,
)
from keras_attention.layers.tied_logits import TiedLogits

__all__ = [
    "CRF",
    "Attention",
    "AttentionNoise",
    "AttentionPooling",
    "AttentionRNN",
    "AttentionRNNState",
    "AttentionState",
    "BahdanauAttention",
    "CRFDecoder",
    "ExtendedVocabulary",
    "HierarchicalAttention",
    "LuongAttention",
    "Memory",
    "MultiHeadAttention",
    "MultiSourceAttention",
    "PointerGenerator",
    "PointerHead",
    "ScheduledEmbedding",
    "ScheduledOutput",
    "ScheduledSampling",
    "StructuredSelfAttention",
    "TiedLogits",
    "TransformerBlock",
    "TransformerDecoderBlock",
    "TransformerDecoderState",
    "crf_decode",
    "crf_log_likelihood",
    "crf_log_norm",
    "crf_marginals",
    "crf_potentials",
    "extended_ids",
    "restored_ids",
    "used_positions",
    "within_vocabulary",
]
