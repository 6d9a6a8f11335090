"""Artifacts that decode elsewhere, without Keras and without this package.

`export_model` writes a model as a SavedModel, as ONNX or for LiteRT. Each artifact is verified in
a fresh process before it appears; `verify` does so again, anywhere and at any time.
`Artifact` loads one and asks it, by the runtime of its format.
"""

from keras_attention.export.artifact import Artifact
from keras_attention.export.errors import ExportError
from keras_attention.export.pipeline import export_model
from keras_attention.export.verification import verify

__all__ = ["Artifact", "ExportError", "export_model", "verify"]
