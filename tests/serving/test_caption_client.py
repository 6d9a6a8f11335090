"""The client that captions images, against answers of a server."""

import base64
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("tensorflow_serving", reason="needs the extra serving: tensorflow-serving-api")
import grpc
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import predict_pb2

from tests.serving.conftest import SERVING
from tests.support.model_server import RefusedError, serve_grpc, serve_rest

# As if the batch were wider than this answer: the server pads with empty strings.
ROW = {
    "texts": "an apple",
    "scores": -1.25,
    "target_tokens": ["an", "apple", "", ""],
    "attention": [[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]], [[0.0] * 2] * 2] * 2,
}
BEAM = {
    "texts": ["an apple", "apple"],
    "scores": [-1.25, -3.0],
    "target_tokens": [["an", "apple", ""], ["apple", "", ""]],
    "attention": [ROW["attention"][:3], ROW["attention"][1:4]],
}


def png(colour="red", size=(30, 20), kind="PNG"):
    content = io.BytesIO()
    Image.new("RGB", size, colour).save(content, kind)
    return content.getvalue()


@pytest.fixture
def server():
    """Says `ROW` of every image and refuses what is none; gives its address and what it got."""
    asked = []

    def answer(path, body):
        asked.append((path, body))
        for instance in body["instances"]:
            content = base64.b64decode(instance["image_bytes"]["b64"])
            if not content.startswith(b"\x89PNG"):
                raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, "Expected a JPEG or PNG file")
        beam = body["signature_name"] == "beam"
        return {"predictions": [BEAM if beam else ROW] * len(body["instances"])}

    with serve_rest(answer) as address:
        yield address, asked


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(png())
    return path


def test_a_caption(run, server, photo):
    address, asked = server
    code, out, err = run("caption_client", photo, "--server", address)
    assert (code, out, err) == (0, f"{photo}\n  -> an apple   (score -1.25)\n\n", "")
    (path, body), *more = asked
    assert path == "/v1/models/caption:predict" and not more
    assert body["signature_name"] == "serving_default"
    (instance,) = body["instances"]
    assert base64.b64decode(instance["image_bytes"]["b64"]) == photo.read_bytes()


def test_several_captions_and_plain_ones(run, server, photo):
    arguments = (photo, photo, "--server", server[0], "--signature", "beam")
    code, out, _ = run("caption_client", *arguments)
    assert code == 0
    assert out == f"{photo}\n  -> an apple   (score -1.25)\n  -> apple   (score -3.00)\n\n" * 2
    code, out, _ = run("caption_client", *arguments[:-2], "--plain")
    assert (code, out) == (0, "an apple\nan apple\n")


def test_a_broken_file_takes_no_other_along(run, server, photo, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    files = (tmp_path / "missing.png", tmp_path / "broken.jpg", tmp_path, photo)
    code, out, err = run("caption_client", *files, "--server", server[0], "--plain")
    assert (code, out) == (1, "an apple\n")
    missing, broken, folder = err.splitlines()
    assert "missing.png cannot be read: No such file" in missing
    assert "broken.jpg: http" in broken and "400: Expected a JPEG or PNG file" in broken
    assert f"{tmp_path} cannot be read" in folder


def test_the_picture_of_a_caption(run, server, photo, tmp_path):
    folder = tmp_path / "drawn"
    code, out, _ = run("caption_client", photo, "--server", server[0], "--overlay", folder)
    assert code == 0 and out.splitlines()[2] == f"  {folder / 'photo.png.png'}"
    assert [path.name for path in folder.iterdir()] == ["photo.png.png"]
    with Image.open(folder / "photo.png.png") as picture:
        # The image and two words, side by side.
        assert picture.width > 3 * 200 and 200 > picture.height > 133
    code, _, err = run("caption_client", photo, "--server", server[0], "--overlay", photo)
    assert code == 1 and "--overlay: " in err and err.count("\n") == 1


def test_a_word_is_lit_where_it_looked(module):
    overlay = module("overlay")
    image = Image.new("RGB", (80, 40), (200, 40, 40))
    for row, column in ((0, 0), (0, 3), (1, 2)):
        weights = np.zeros((2, 4))
        weights[row, column] = 0.3
        panel = np.asarray(overlay.lit(image, weights).convert("RGB"), "float32")
        colourful = panel[..., 0] - panel[..., 1]
        cells = colourful.reshape(2, 20, 4, 20).mean((1, 3))
        assert np.unravel_index(cells.argmax(), cells.shape) == (row, column)
        assert colourful.max() > 140
        # What is not looked at is grey.
        assert np.median(colourful) == 0
    everywhere = np.asarray(overlay.lit(image, np.full((2, 4), 0.125)))
    np.testing.assert_array_equal(everywhere, np.asarray(image))
    nowhere = np.asarray(overlay.lit(image, np.zeros((2, 4))))
    assert np.ptp(nowhere) == 0


@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (2, 900), (640, 480)])
def test_images_of_any_shape_are_drawn(module, size):
    overlay = module("overlay")
    words = ["word"] * 7 + ["\x1b[2J", "x" * 90, "é", ""]
    maps = np.random.default_rng(0).random((len(words), 3, 3))
    picture = overlay.draw(Image.new("RGB", size), words, maps)
    assert 100 < picture.width < 2000 and 40 < picture.height < 2000
    assert overlay.draw(Image.new("RGB", size), [], []).width > 0


def test_pictures_are_written_whole_or_not_at_all(module, tmp_path, monkeypatch):
    overlay = module("overlay")
    picture = Image.new("RGB", (4, 4))
    overlay.save(picture, tmp_path / "a.png")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        overlay.save(picture, tmp_path / "b.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_an_answer_of_another_model(run, photo):
    for answer, words in (
        ({"predictions": [{"texts": "a", "scores": 0}]}, "without target_tokens, attention"),
        ({"predictions": []}, "1 image was sent, 0 answers came"),
        ([1], "not as TensorFlow Serving does"),
    ):
        with serve_rest(lambda path, body, answer=answer: answer) as address:
            code, out, err = run("caption_client", photo, "--server", address)
        assert (code, out) == (1, "") and words in err, err
    code, out, err = run("caption_client", photo, photo, "--server", "http://127.0.0.1:1")
    # It does not go on: nobody answers the next one either.
    assert (code, out) == (1, "") and err.count("Is the server running") == 1


def answered(request):
    """What the server says over gRPC of every image: `ROW`."""
    (content,) = tf.make_ndarray(request.inputs["image_bytes"])
    if not content.startswith(b"\x89PNG"):
        raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, "Expected a JPEG or PNG file")
    response = predict_pb2.PredictResponse()
    for name, value in ROW.items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto([value]))
    return response


def test_captions_over_grpc_are_those_over_rest(run, server, photo, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    files = (tmp_path / "broken.jpg", photo, "--overlay", tmp_path / "drawn")
    with serve_grpc(answered) as address:
        code, out, err = run("grpc_caption_client", *files, "--server", address)
    assert (code, out) == run("caption_client", *files, "--server", server[0])[:2]
    assert code == 1 and "-> an apple   (score -1.25)" in out
    (line,) = err.splitlines()
    assert line.startswith("grpc_caption_client.py: error: ") and "INVALID_ARGUMENT: Exp" in line
    assert (tmp_path / "drawn" / "photo.png.png").is_file()


def test_a_file_without_end_is_not_read_whole(run, server):
    code, out, err = run("caption_client", "/dev/zero", "--server", server[0])
    assert (code, out) == (1, "") and "/dev/zero is larger than 32 MiB." in err


def test_a_picture_of_many_words_and_strange_weights_is_drawn(module):
    overlay = module("overlay")
    odd = [[float("inf"), float("nan")], [-1.0, 1.0]]
    picture = overlay.draw(Image.new("RGB", (40, 30)), ["word"] * 5_000, [odd] * 5_000)
    assert picture.width < 3_000 and picture.height < 3_000


def test_captions_alone_need_the_standard_library(server, photo):
    # Without site-packages.
    command = [sys.executable, "-S", SERVING / "caption_client.py", "--server", server[0], photo]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and "-> an apple" in done.stdout
    done = subprocess.run([*command, "--overlay", "x"], capture_output=True, text=True)
    assert done.returncode == 1 and "needs the package Pillow" in done.stderr


def test_bytes_travel_through_json(module):
    content = bytes(range(256))
    body = json.loads(json.dumps(module("caption_client").body([content, b""], "beam")))
    sent = [base64.b64decode(one["image_bytes"]["b64"]) for one in body["instances"]]
    assert sent == [content, b""] and body["signature_name"] == "beam"
