"""A captioner's artifacts: files or pixels in, words and maps out, and what is no image refused."""

import importlib
import io
import json
import subprocess
import sys
import zlib
from functools import partial

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from PIL import Image

from keras_attention import generation
from keras_attention.export import _replay as replay
from keras_attention.export import export_model, random_inputs
from keras_attention.export._replay.warmup import read_warmup
from keras_attention.export.manifest import read_manifest
from keras_attention.generation import BeamSearch
from tests.support.exporting import (
    ALONE,
    CONFIG,
    IMAGE_SIZE,
    MAP_SHAPE,
    MAX_LENGTH,
    SCRIPTS,
    WORDS,
    call,
    captioner,
    consume,
    images,
    listing,
    sizes,
    speller,
    step_by_step,
    until_end,
    write_words,
)

TEXT = {"greedy", "beam", "serving_default", "greedy_prefix", "beam_prefix"}


def file_of(image, kind="PNG", **options):
    """A Pillow image, or an array, as the bytes of a file."""
    if not isinstance(image, Image.Image):
        image = Image.fromarray(np.asarray(image).astype("uint8"))
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


@pytest.fixture(scope="module")
def expected(image_artifact):
    """What the live model says of `images()`."""
    return generation.generate(
        image_artifact.model, images(), generation.Greedy(max_length=MAX_LENGTH)
    )


# ---- files in, text out


def test_what_an_artifact_for_files_offers(image_artifact):
    signatures = image_artifact.loaded.signatures
    assert set(image_artifact.report["signatures"]) == TEXT
    for name, signature in signatures.items():
        spec, *prefix = signature.structured_input_signature[1].values()
        if spec.name == "prefix":
            spec, *prefix = *prefix, spec
        assert len(prefix) == name.endswith("_prefix")
        assert (spec.name, spec.dtype, spec.shape.as_list()) == ("image_bytes", tf.string, [None])
        outputs = signature.structured_outputs
        further = {"token_scores"} if name.endswith("_prefix") else set()
        assert set(outputs) == {"texts", "scores", "target_tokens", "attention"} | further
        several = [4] if name.startswith("beam") else []
        assert outputs["attention"].shape.as_list() == [None, *several, None, *MAP_SHAPE]


def test_files_are_captioned_as_by_the_live_model(image_artifact, expected):
    found = call(image_artifact, "greedy", image_bytes=[file_of(image) for image in images()])
    assert [text.decode() for text in found["texts"]] == [one.text for one in expected]
    # Else this shows little.
    assert len(set(found["texts"].tolist())) > 2
    np.testing.assert_allclose(found["scores"], [one.score for one in expected], atol=1e-4)
    for one, tokens, maps in zip(expected, found["target_tokens"], found["attention"]):
        written = [token.decode() for token in tokens if token]
        assert written == one.tokens
        np.testing.assert_allclose(maps[: len(written)], one.attention, atol=1e-5)
        np.testing.assert_allclose(maps[: len(written)].sum((1, 2)), 1, atol=1e-5)


def test_the_best_of_the_beam_is_served(image_artifact):
    files = [file_of(image) for image in images()]
    beam = call(image_artifact, "beam", image_bytes=files)
    found = generation.BeamSearch(max_length=MAX_LENGTH)(image_artifact.model, images())
    texts = [[WORDS.decode(one) for one in row] for row in np.asarray(found.sequences)]
    assert [[text.decode() for text in row] for row in beam["texts"]] == texts
    maps = np.reshape(found.attention, (*found.sequences.shape, *MAP_SHAPE))
    np.testing.assert_allclose(beam["attention"], maps, atol=1e-5)
    best = call(image_artifact, "serving_default", image_bytes=files)
    assert best["texts"].tolist() == beam["texts"][:, 0].tolist()
    width = best["attention"].shape[1]
    np.testing.assert_array_equal(best["attention"], beam["attention"][:, 0, :width])


def odd_files():
    rng = np.random.default_rng(5)
    colours = Image.fromarray(rng.integers(0, 256, (*IMAGE_SIZE, 4), "uint8"), "RGBA")
    turned = Image.Exif()
    turned[0x0112] = 6
    wide = np.repeat(rng.integers(0, 256, (1, 9, 3), "uint8"), 400, axis=1)
    return {
        "grey": file_of(colours.convert("L")),
        "grey JPEG": file_of(colours.convert("L"), "JPEG"),
        "alpha": file_of(colours),
        "grey and alpha": file_of(colours.convert("LA")),
        "palette": file_of(colours.convert("RGB").quantize(8)),
        "black and white": file_of(colours.convert("1")),
        "progressive, large": file_of(
            colours.convert("RGB").resize((300, 200)), "JPEG", progressive=True
        ),
        "turned by EXIF": file_of(colours.convert("RGB"), "JPEG", exif=turned),
        "very wide": file_of(wide),
        "one pixel": file_of(np.full((1, 1, 3), 200)),
        "zeros behind the end": file_of(colours.convert("RGB"), "JPEG") + bytes(9),
    }


def test_files_of_many_kinds_are_read_as_pillow_reads_them(image_artifact):
    files = odd_files()
    found = call(image_artifact, "greedy", image_bytes=list(files.values()))
    height, width = IMAGE_SIZE
    read = [Image.open(io.BytesIO(content)).convert("RGB") for content in files.values()]
    pixels = np.stack([np.asarray(one.resize((width, height), Image.BILINEAR)) for one in read])
    expected = generation.generate(
        image_artifact.model, pixels, generation.Greedy(max_length=MAX_LENGTH)
    )
    for name, one, score, maps in zip(files, expected, found["scores"], found["attention"]):
        # Both round, and a step of brightness is no other picture.
        assert score == pytest.approx(one.score, abs=0.1), name
        np.testing.assert_allclose(maps[0], one.attention[0], atol=0.02, err_msg=name)


def claiming(height, width):
    """A small PNG whose header claims to be of another size."""
    content = bytearray(file_of(np.zeros((1, 1, 3))))
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    return bytes(content)


BROKEN = {
    "nothing": b"",
    "text": b"a red apple",
    "the start of a JPEG": b"\xff\xd8\xff",
    "the start of a PNG": b"\x89PNG\r\n\x1a\n",
    "half a JPEG": file_of(images()[0], "JPEG")[:-200],
    "half a PNG": file_of(images()[0])[:-40],
    "a GIF": file_of(images()[0], "GIF"),
    "an animated GIF": file_of(
        Image.new("P", (4, 4)), "GIF", save_all=True, append_images=[Image.new("P", (4, 4), 1)]
    ),
    "a huge PNG": claiming(200_000, 200_000),
    "a PNG of a row too many": claiming(10_000, 5_001),
    "a PNG of no size": claiming(0, 0),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_image_is_an_error_for_its_request(image_artifact, name):
    good = file_of(images()[0])
    for files in ([BROKEN[name]], [good, BROKEN[name]]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            call(image_artifact, "greedy", image_bytes=files)
    assert call(image_artifact, "greedy", image_bytes=[good])["scores"].shape == (1,)


@pytest.mark.slow
def test_the_limit_of_pixels_is_in_the_manifest(image_artifact, pixels_artifact):
    limits = [read_manifest(one.path / "1")["limits"] for one in (image_artifact, pixels_artifact)]
    assert [one["pixels"] for one in limits] == [50_000_000, None]


@pytest.mark.slow
def test_no_images_at_all(image_artifact, pixels_artifact):
    with pytest.raises(tf.errors.InvalidArgumentError, match="image_bytes: expected at least one"):
        call(image_artifact, "serving_default", image_bytes=np.zeros((0,), "S1"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="image: expected at least one image"):
        call(pixels_artifact, "greedy", image=np.zeros((0, *IMAGE_SIZE, 3), "float32"))


def test_the_warmup_holds_images(image_artifact):
    requests = list(read_warmup(image_artifact.path / "1"))
    assert {name for name, _ in requests} == TEXT
    for _, inputs in requests:
        read = [Image.open(io.BytesIO(content)) for content in inputs["image_bytes"]]
        assert {image.format for image in read} == {"PNG", "JPEG"}


def test_the_client_reads_the_answers_of_a_server(image_artifact, expected, monkeypatch):
    pytest.importorskip("tensorflow_serving", reason="needs the extra serving")
    from tests.support.model_server import ModelServer, RefusedError

    monkeypatch.syspath_prepend(SCRIPTS / "serving")
    answers, client = map(importlib.import_module, ("answers", "caption_client"))
    path = image_artifact.path
    server = ModelServer(CONFIG % path.name, path.parent)
    files = [file_of(image) for image in images()]
    for name in ("greedy", "beam"):
        body = json.loads(json.dumps(client.body(files, name)))
        answer = json.loads(json.dumps(server.rest("/v1/models/translate:predict", body)))
        for one, row in zip(expected, answer["predictions"]):
            found = answers.captions(row)
            assert (len(found) > 1) == (name == "beam")
            for caption in found:
                assert caption.text == " ".join(caption.tokens)
                assert np.shape(caption.attention)[1:] == MAP_SHAPE or not caption.tokens
            if name == "greedy":
                assert (found[0].text, found[0].tokens) == (one.text, one.tokens)
                drawn = np.reshape(found[0].attention, one.attention.shape)
                assert np.allclose(drawn, one.attention, atol=1e-5)
    broken = client.body([files[0], files[1][:-30]])
    with pytest.raises(RefusedError) as refused:
        server.rest("/v1/models/translate:predict", broken)
    assert refused.value.code.name == "INVALID_ARGUMENT"


@pytest.mark.slow
def test_cpp_takes_files(consumer, image_artifact, tmp_path):
    examples = replay.read_golden_examples(replay.golden_file(image_artifact.path / "1"))
    write_words(examples, tmp_path / "words")
    code, lines = consume(consumer, image_artifact.path / "1", tmp_path / "words")
    assert code == 0 and len(lines) == 5, lines


# ---- pixels in, ids out


@pytest.mark.slow
def test_pixels_are_decoded_as_by_the_live_model(pixels_artifact, expected):
    assert set(pixels_artifact.report["signatures"]) == {"encode", "step", "greedy", "score"}
    found = call(pixels_artifact, "greedy", image=images())
    assert [WORDS.decode(ids) for ids in found["sequences"]] == [one.text for one in expected]
    for one, maps in zip(expected, found["attention"]):
        np.testing.assert_allclose(maps[: len(one.attention)], one.attention, atol=1e-5)
    scored = call(pixels_artifact, "score", image=images(), targets=found["sequences"])
    np.testing.assert_allclose(scored["scores"], found["scores"], atol=1e-4)
    assert scored["attention"].shape == (*found["sequences"].shape, *MAP_SHAPE)


@pytest.mark.slow
def test_a_client_that_steps_gets_what_greedy_gets(pixels_artifact):
    def encode(tokens):
        return call(pixels_artifact, "encode", image=tokens)

    step = partial(call, pixels_artifact, "step")
    chosen = step_by_step(encode, step, images(), {"decoder_cell_0", "decoder_cell_1"})
    greedy = call(pixels_artifact, "greedy", image=images())["sequences"]
    np.testing.assert_array_equal(until_end(chosen), greedy)


@pytest.mark.slow
def test_images_of_another_size_are_refused(pixels_artifact):
    with pytest.raises(tf.errors.InvalidArgumentError, match="image"):
        call(pixels_artifact, "greedy", image=np.zeros((1, 5, 5, 3), "float32"))


# ---- other runtimes


@pytest.mark.slow
def test_onnx_takes_pixels(image_onnx_artifact):
    report = image_onnx_artifact.report
    assert report["ids_equal"] and report["graphs"] == ["encoder", "beam"]
    encoder, beam = (
        onnx.load(image_onnx_artifact.path / f"{name}.onnx").graph for name in report["graphs"]
    )
    pixels = {"image": ["batch", *IMAGE_SIZE, 3]}
    assert sizes(encoder.input) == sizes(beam.input) == pixels
    assert sizes(encoder.output) == {
        "memory_keys": ["batch", 15, 8],
        "memory_values": ["batch", 15, 6],
        "decoder_cell_0": ["batch", 8],
        "decoder_cell_1": ["batch", 8],
    }
    assert sizes(beam.output)["attention"] == ["batch", 4, "target", *MAP_SHAPE]
    session = onnxruntime.InferenceSession(image_onnx_artifact.path / "beam.onnx")
    sequences, maps = session.run(["sequences", "attention"], {"image": images()})
    found = generation.BeamSearch(max_length=MAX_LENGTH)(image_onnx_artifact.model, images())
    np.testing.assert_array_equal(sequences, found.sequences)
    np.testing.assert_allclose(maps, np.reshape(found.attention, maps.shape), atol=1e-5)


@pytest.mark.slow
def test_run_onnx_captions_files(image_onnx_artifact, tmp_path):
    files = [tmp_path / "one.png", tmp_path / "two.png"]
    for path, image in zip(files, images()):
        path.write_bytes(file_of(image))
    model = image_onnx_artifact.model
    search = generation.BeamSearch(max_length=MAX_LENGTH)
    expected = generation.generate(model, images()[:2], search)
    command = [sys.executable, "-c", ALONE, SCRIPTS / "run_onnx.py", image_onnx_artifact.path]
    command += [*files, "--overlay", tmp_path / "drawn"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for path, one in zip(files, expected):
        assert f"{path}  ->  {one.text}   (score {one.score:.2f})\n" in done.stdout
        with Image.open(tmp_path / "drawn" / f"{path.name}.png") as picture:
            assert picture.width > picture.height > 100
    assert listing(tmp_path / "drawn") == ["one.png.png", "two.png.png"]


@pytest.mark.slow
def test_run_onnx_refuses_what_is_no_image(image_onnx_artifact, tmp_path, script):
    for name in ("text", "half a JPEG", "a GIF"):
        (tmp_path / "file").write_bytes(BROKEN[name])
        code, out, err = script("run_onnx", image_onnx_artifact.path, tmp_path / "file")
        assert (code, out) == (1, "") and "cannot be read as a JPEG or PNG" in err, name
        assert err.count("\n") == 1


def test_litert_takes_pixels(tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    graphs = {"encoder": "encode", "step": "step"}
    monkeypatch.setattr("keras_attention.export.litert.LiteRTWriter.graphs", graphs)
    report = export_model(
        captioner(),
        tmp_path / "new",
        search=BeamSearch(max_length=4),
        examples=[images()[:1], images()[1:2]],
        format="litert",
    )
    assert report["ids_equal"] and report["graphs"] == ["encoder", "step"]


# ---- what a model reads, and what it is tried with


def test_the_kind_must_be_what_the_model_reads(tmp_path):
    model = captioner()
    with pytest.raises(ValueError, match=r"kind: expected 'ids' or 'image', because Captioner has"):
        export_model(model, tmp_path / "new", kind="text")
    with pytest.raises(ValueError, match="kind: expected 'ids' or 'text', because EncoderDecoder"):
        export_model(speller(), tmp_path / "new", kind="image")
    for wrong in ([np.zeros((1, 5, 5, 3))], [np.zeros((0, *IMAGE_SIZE, 3))]):
        with pytest.raises(ValueError, match=r"examples: expected images \(batch, 12, 20, 3\)"):
            export_model(model, tmp_path / "new", examples=wrong, format="onnx")
    for wrong in ([b"abc"], [["abc"]], [[]]):
        with pytest.raises(ValueError, match="examples: expected lists of bytes"):
            export_model(model, tmp_path / "new", kind="image", examples=wrong)
    assert listing(tmp_path) == []


class WithoutWords:
    """Reads images and writes ids of which it knows no more than their number."""

    image_size, variables = IMAGE_SIZE, ()

    def as_maps(self, weights): ...

    def start(self, inputs): ...

    def step(self, tokens, state): ...


def test_words_need_a_vocabulary(tmp_path):
    with pytest.raises(ValueError, match="a Vocabulary as target_vocabulary"):
        export_model(WithoutWords(), tmp_path / "new", kind="image")
    assert listing(tmp_path) == []


def test_files_that_are_drawn_differ_in_kind_and_size():
    files = [
        content for batch in random_inputs.random_files(IMAGE_SIZE) for content in batch.tolist()
    ]
    read = [Image.open(io.BytesIO(content)) for content in files]
    assert {(image.format, image.mode) for image in read} == {
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("JPEG", "RGB"),
        ("JPEG", "L"),
    }
    assert (1, 1) in {image.size for image in read}
