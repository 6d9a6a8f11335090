"""Warmup requests: what TensorFlow Serving runs before it answers its first client.

They are a file of `PredictionLog` messages of tensorflow-serving-api. The few
fields that a request needs are written here by number, so that no export needs
that package:

    PredictionLog   predict_log = 6
    PredictLog      request = 1
    PredictRequest  model_spec = 1, inputs = 2
    ModelSpec       name = 1, signature_name = 3
    an input        key = 1, value = 2 (TensorFlow's own TensorProto)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .artifact import Arrays

FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")


def write_warmup(
    folder: str | os.PathLike[str], model_name: str, requests: Iterable[tuple[str, Arrays]]
) -> None:
    """Writes requests where TensorFlow Serving looks for them.

    Args:
        folder: a SavedModel.
        model_name: the name under which it will be served.
        requests: pairs of a signature's name and its inputs by name.
    """
    import tensorflow as tf

    with tf.io.TFRecordWriter(os.path.join(str(folder), FILE)) as writer:
        for signature, inputs in requests:
            specification = _field(1, model_name.encode()) + _field(3, signature.encode())
            request = _field(1, specification)
            for name, array in inputs.items():
                value = tf.make_tensor_proto(_with_bytes(array)).SerializeToString()
                request += _field(2, _field(1, name.encode()) + _field(2, value))
            writer.write(_field(6, _field(1, request)))


def read_warmup(folder: str | os.PathLike[str]) -> Iterator[tuple[str, Arrays]]:
    """The requests of a SavedModel as `write_warmup` takes them; none if it has no such file."""
    import tensorflow as tf
    from tensorflow.core.framework.tensor_pb2 import TensorProto

    path = os.path.join(str(folder), FILE)
    if not os.path.isfile(path):
        return
    for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
        request = _only(_only(record, 6), 1)
        signature = _only(_only(request, 1), 3).decode()
        inputs = {}
        for number, entry in _fields(request):
            if number == 2:
                proto = TensorProto.FromString(_only(entry, 2))
                inputs[_only(entry, 1).decode()] = tf.make_ndarray(proto)
        yield signature, inputs


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a message, all of which have a length here."""
    position = 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        length, position = _read_varint(message, position)
        if tag & 7 != 2 or position + length > len(message):
            raise RuntimeError(f"{FILE} does not hold requests")
        yield tag >> 3, message[position : position + length]
        position += length


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if position == len(message):
            raise RuntimeError(f"{FILE} does not hold requests")
        digit = message[position]
        number |= (digit & 127) << shift
        position, shift = position + 1, shift + 7
        if digit < 128:
            return number, position


def _only(message: bytes, number: int) -> bytes:
    for found, content in _fields(message):
        if found == number:
            return content
    raise RuntimeError(f"{FILE} holds a request without its field {number}")


def _with_bytes(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.dtype.kind != "U":
        return array
    return np.array([text.encode() for text in array.ravel().tolist()], object).reshape(array.shape)
