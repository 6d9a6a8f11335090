"""Whether one can believe what attention shows.

Faults of a model with attention; alignments of words, their files and their errors; what reaches
a position through a stack.
"""

from keras_attention.explain.alignments import (
    AlignmentErrors,
    alignment_error_rate,
    format_links,
    links_of_weights,
    parse_links,
    peaks_in_spans,
    read_links,
    symmetrize,
    write_links,
)
from keras_attention.explain.collecting import attention_weights
from keras_attention.explain.diagnosing import diagnose
from keras_attention.explain.faithful import Faithfulness, Method, faithfulness
from keras_attention.explain.findings import Diagnosis, Finding
from keras_attention.explain.stacks import flow, rollout
from keras_attention.explain.words import join_links, join_pieces, word_indices
from keras_attention.metrics import peaks_inside

__all__ = [
    "AlignmentErrors",
    "Diagnosis",
    "Faithfulness",
    "Finding",
    "Method",
    "alignment_error_rate",
    "attention_weights",
    "diagnose",
    "faithfulness",
    "flow",
    "format_links",
    "join_links",
    "join_pieces",
    "links_of_weights",
    "parse_links",
    "peaks_in_spans",
    "peaks_inside",
    "read_links",
    "rollout",
    "symmetrize",
    "word_indices",
    "write_links",
]
