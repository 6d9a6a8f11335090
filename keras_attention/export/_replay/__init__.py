"""Replays golden examples against an artifact, in a process that has no Keras.

Started by its path: `python .../export/_replay FOLDER TOLERANCE` prints one line
of JSON. It needs the standard library, numpy, and what a user of the artifact
needs: TensorFlow for a SavedModel, onnxruntime (and onnx, to check the graphs)
for ONNX, ai-edge-litert for LiteRT. The model's own packages cannot be imported
there, which shows that the artifact does not need them.
"""

from __future__ import annotations

from .artifact import artifact_kind, golden_file, is_saved_model, read_golden_examples
from .comparing import compare, plain
from .isolation import MODEL_PACKAGES, Blocker
from .reporting import check_artifact

__all__ = [
    "MODEL_PACKAGES",
    "Blocker",
    "artifact_kind",
    "check_artifact",
    "compare",
    "golden_file",
    "is_saved_model",
    "plain",
    "read_golden_examples",
]
