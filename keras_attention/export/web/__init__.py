"""A page that runs a model in the browser: `export_model(..., format="web")`."""

from keras_attention.export.web.runtime import RUNTIME_VERSION, Runtime
from keras_attention.export.web.writer import WebWriter

__all__ = ["RUNTIME_VERSION", "Runtime", "WebWriter"]
