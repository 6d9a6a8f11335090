"""`.keras` files of models that are to be used, not trained further."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

_WEIGHTS, _CONFIG = "model.weights.h5", "config.json"
_LARGEST_HALF = float(np.finfo("float16").max)


def write_for_inference(model: keras.Model, path: Path, half: bool = False) -> None:
    """Writes a model as `model.save` does, without optimizer, losses and metrics.

    It is a `.keras` file like any other: `keras.saving.load_model` reads it.

    Args:
        model: the model.
        path: a new `.keras` file.
        half: whether floating point weights are stored in float16, half the
            bytes; the loaded model has them in its own precision. Weights with
            numbers beyond its range stay as they are.
    """
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "model.keras"
        model.save(whole)
        with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "x") as target:
            for name in source.namelist():
                content = source.read(name)
                if name == _CONFIG:
                    content = json.dumps(_uncompiled(json.loads(content))).encode()
                elif name == _WEIGHTS:
                    content = _without_optimizers(content, half)
                target.writestr(name, content)


def _uncompiled(config: Any) -> Any:
    """A configuration without what its models, nested ones too, were compiled with."""
    if isinstance(config, dict):
        return {k: None if k == "compile_config" else _uncompiled(v) for k, v in config.items()}
    return [_uncompiled(one) for one in config] if isinstance(config, list) else config


def _without_optimizers(content: bytes, half: bool) -> bytes:
    import h5py  # Of Keras, which imports it when it saves.

    written = io.BytesIO()
    with (
        h5py.File(io.BytesIO(content), "r") as source,
        # Its groups are smaller.
        h5py.File(written, "w", libver="latest") as target,
    ):

        def copy(name: str, item: Any) -> None:
            # The name of an attribute of every Keras model, and of nothing else.
            if "optimizer" in name.split("/"):
                return
            if isinstance(item, h5py.Dataset):
                value = item[()]
                # The scales of quantized weights lie beside them.
                codes = any(d.dtype.kind in "iu" for d in item.parent.values())
                copied = target.create_dataset(
                    name, data=_halved(value) if half and not codes else value
                )
            else:
                copied = target.require_group(name)
            for key, attribute in item.attrs.items():
                copied.attrs[key] = attribute

        source.visititems(copy)
        for key, attribute in source.attrs.items():
            target.attrs[key] = attribute
    return written.getvalue()


def _halved(value: Any) -> Any:
    value = np.asarray(value)
    if value.dtype not in (np.float32, np.float64) or np.any(np.abs(value) > _LARGEST_HALF):
        return value
    return value.astype("float16")
