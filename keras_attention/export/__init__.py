"""Artifacts that serve a decoding model elsewhere, verified before they appear."""

from keras_attention.export.errors import ExportError
from keras_attention.export.litert import save_litert
from keras_attention.export.onnx import save_onnx
from keras_attention.export.saved_model import save_saved_model
from keras_attention.export.verification import verify

__all__ = ["ExportError", "save_litert", "save_onnx", "save_saved_model", "verify"]
