"""The parameters with which TensorFlow Serving joins requests to a version."""

import pytest
from google.protobuf import text_format

from keras_attention.export.batching import FILE, write_batching_parameters
from tests.support.batching import batching_parameters


def test_the_parameters_are_those_that_were_measured(tmp_path):
    write_batching_parameters(tmp_path)
    assert batching_parameters((tmp_path / FILE).read_text("utf-8")) == {
        "max_batch_size": 32,
        "batch_timeout_micros": 0,
        "max_enqueued_batches": 100,
        "enable_large_batch_splitting": False,
    }


def test_other_parameters_are_none():
    # pad_variable_length_inputs is among them.
    with pytest.raises(text_format.ParseError):
        batching_parameters("max_batch { value: 3 }")


def test_an_artifact_for_text_has_them_where_the_server_looks(text_artifact):
    version = text_artifact.path / "3"
    assert (version / FILE).is_file() and (version / "saved_model.pb").is_file()


def test_an_artifact_for_images_is_not_batched(image_artifact):
    assert not (image_artifact.path / "1" / FILE).exists()
