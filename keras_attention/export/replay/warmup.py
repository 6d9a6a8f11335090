"""Warmup requests: what TensorFlow Serving runs before it answers its first client.

They are a file of `PredictionLog` messages of tensorflow-serving-api. The few of
its fields that a request needs are written here by number, so that every export
has its warmup without that package:

    PredictionLog   predict_log = 6
    PredictLog      request = 1
    PredictRequest  model_spec = 1, inputs = 2
    ModelSpec       name = 1, signature_name = 3
    an input        key = 1, value = 2 (TensorFlow's own TensorProto)
"""

import os

import numpy as np

FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")


def write_warmup(folder, model_name, requests):
    """Writes requests where TensorFlow Serving looks for them.

    Args:
        folder: a SavedModel, or what becomes one.
        model_name: under which it is to be served.
        requests: pairs of a signature's name and its inputs, arrays by name.
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


def read_warmup(folder):
    """The requests of a SavedModel as `write_warmup` takes them; none where it has no such file."""
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


def _field(number, content):
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number):
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def _fields(message):
    """The fields of a message in which each has a length, as all of ours have."""
    place = 0
    while place < len(message):
        tag, place = _read_varint(message, place)
        length, place = _read_varint(message, place)
        if tag & 7 != 2 or place + length > len(message):
            raise RuntimeError(f"{FILE} holds something else than requests")
        yield tag >> 3, message[place : place + length]
        place += length


def _read_varint(message, place):
    number = shift = 0
    while True:
        if place == len(message):
            raise RuntimeError(f"{FILE} holds something else than requests")
        digit = message[place]
        number |= (digit & 127) << shift
        place, shift = place + 1, shift + 7
        if digit < 128:
            return number, place


def _only(message, number):
    for found, content in _fields(message):
        if found == number:
            return content
    raise RuntimeError(f"{FILE} holds a request without its field {number}")


def _with_bytes(array):
    if array.dtype.kind != "U":
        return array
    return np.array([text.encode() for text in array.ravel().tolist()], object).reshape(array.shape)
