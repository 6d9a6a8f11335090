"""The web format: what is written, and what is refused; `make web-test` opens it in a browser."""

import base64
import hashlib
import io
import json
import re
import shutil
import tarfile

import numpy as np
import pytest

from keras_attention.export import export_model, verify
from keras_attention.export.web import RUNTIME_VERSION, Runtime, WebWriter, runtime
from keras_attention.generation import BeamSearch
from keras_attention.models import EncoderDecoder
from keras_attention.text import Subwords, Vocabulary
from keras_attention.text.patterns import SPACES, WORDS
from tests.support.exporting import (
    LETTERS,
    SOUNDS,
    call_onnx,
    captioner,
    listing,
    padded_ids,
    speller,
)
from tests.web.texts import odd_texts, read_in_node

SEARCH = BeamSearch(max_length=4)
CONTENTS = {"ort.js": b"// the script", "ort.wasm": b"\0asm"}


@pytest.fixture(scope="module", autouse=True)
def small_runtime():
    """Files that are smaller than onnxruntime-web's."""
    with pytest.MonkeyPatch.context() as patch:
        files = {
            name: (runtime.FILES[name][0], hashlib.sha256(contents).hexdigest())
            for name, contents in CONTENTS.items()
        }
        patch.setattr(runtime, "FILES", files)
        yield


def write_package(folder):
    """What npm unpacks."""
    (folder / "dist").mkdir(parents=True)
    for name, (source, _) in runtime.FILES.items():
        (folder / source).write_bytes(CONTENTS[name])
    return folder


def write_archive(path, leave_out=()):
    """What the registry sends."""
    with tarfile.open(path, "w:gz") as archive:
        for name, (source, _) in runtime.FILES.items():
            if name not in leave_out:
                member = tarfile.TarInfo(f"package/{source}")
                member.size = len(CONTENTS[name])
                archive.addfile(member, io.BytesIO(CONTENTS[name]))
    return path


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return write_package(tmp_path_factory.mktemp("npm") / "onnxruntime-web")


@pytest.fixture
def only_step(monkeypatch):
    monkeypatch.setattr(WebWriter, "graphs", {"step": "step"})


@pytest.fixture(scope="module")
def page(package, tmp_path_factory):
    """An export, and its model."""
    path = tmp_path_factory.mktemp("web") / "a & <b>"
    model = speller()
    examples = [padded_ids()[:2], padded_ids()[:1, :5], padded_ids()[:3, :4]]
    report = export_model(
        model, path, format="web", search=SEARCH, examples=examples, runtime=package
    )
    return path, model, report


def test_the_folder(page):
    path, _, report = page
    assert report["graphs"] == ["encoder", "step", "beam"]
    assert report["ids_equal"] and verify(path)["ids_equal"]
    manifest = json.loads((path / "manifest.json").read_text("utf-8"))
    assert (manifest["format"], manifest["kind"]) == ("web", "ids")
    files = {name for name in listing(path) if (path / name).is_file()}
    assert set(manifest["files"]) == files - {"manifest.json"}
    for name, contents in CONTENTS.items():
        assert (path / "runtime" / name).read_bytes() == contents
    patterns = json.loads((path / "patterns.json").read_text("utf-8"))
    assert patterns == {"spaces": SPACES, "words": WORDS, "lookahead": 64, "characters": 65536}


def test_the_page_names_its_artifact_and_has_no_script_in_it(page):
    html = (page[0] / "index.html").read_text("utf-8")
    assert "<title>a &amp; &lt;b&gt;</title>" in html and "{{" not in html
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)[1]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|javascript:", html)


def test_every_file_that_the_page_names_is_there_and_nothing_is_elsewhere(page):
    path = page[0]
    html = (path / "index.html").read_text("utf-8")
    named = re.findall(r'(?:src|href)="([^"]*)"', html)
    for script in (path / "app").glob("*.js"):
        text = script.read_text("utf-8")
        named += [f"app/{name}" for name in re.findall(r'(?:from|import\() ?"\./([^"]*)"', text)]
        assert "://" not in text
    assert named and not [name for name in named if not (path / name).is_file()]


@pytest.mark.parametrize("prefix", [[[0], [0]], [[5, 0], [4, 6]]])
def test_the_beam_goes_on_from_a_prefix(page, prefix):
    path, model, _ = page
    tokens, prefix = padded_ids()[:2], np.array(prefix, "int32")
    found = call_onnx(path, "beam", tokens=tokens, prefix=prefix)
    expected = SEARCH(model, tokens, prefix=prefix)
    np.testing.assert_array_equal(found["sequences"], expected.sequences)
    np.testing.assert_allclose(found["attention"], expected.attention, atol=1e-5)
    if not prefix.any():
        np.testing.assert_array_equal(found["sequences"], SEARCH(model, tokens).sequences)


def test_a_captioner(package, tmp_path, only_step):
    report = export_model(
        captioner(), tmp_path / "new", format="web", search=SEARCH, runtime=package
    )
    assert report["graphs"] == ["step"]


class Elsewhere(Vocabulary, kind="tests_elsewhere"):
    """A vocabulary of which the page knows nothing."""


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        (
            (20, SOUNDS),
            r"^source_vocabulary: expected a .* or Subwords for format 'web', rec.* int",
        ),
        ((LETTERS, 20), r"^target_vocabulary: expected a .* received int"),
        ((Elsewhere("abc"), SOUNDS), r"^source_vocabulary: expected a .* received Elsewhere"),
    ],
)
def test_vocabularies_that_are_refused(tmp_path, sides, message):
    model = EncoderDecoder(*sides, units=4, embedding_dim=4)
    # Before anything is read or downloaded.
    absent = tmp_path / "absent"
    with pytest.raises(ValueError, match=message):
        export_model(model, tmp_path / "new", format="web", runtime=absent)
    assert listing(tmp_path) == []


def test_arguments_that_are_refused(package, tmp_path):
    with pytest.raises(ValueError, match=r"^runtime: expected None for format 'onnx', received"):
        export_model(speller(), tmp_path / "new", format="onnx", runtime=package)
    with pytest.raises(
        ValueError, match=r"^kind: expected 'ids' for format 'web', received 'text'"
    ):
        export_model(speller(), tmp_path / "new", format="web", kind="text", runtime=package)
    assert listing(tmp_path) == []


# Where onnxruntime-web comes from.


def test_a_package_as_folder_or_archive(package, tmp_path):
    assert Runtime(package).files() == CONTENTS
    assert Runtime(write_archive(tmp_path / "web.tgz")).files() == CONTENTS
    packed = write_package(tmp_path / "unpacked" / "package").parent
    assert Runtime(packed).files() == CONTENTS


@pytest.mark.parametrize("damage", ["empty", "other", "archive", "incomplete"])
def test_a_package_that_is_none(tmp_path, damage):
    path = tmp_path / "package"
    if damage == "archive":
        path.write_bytes(b"no archive")
    elif damage == "incomplete":
        write_archive(path, leave_out=("ort.wasm",))
    elif damage == "other":
        write_package(path)
        (path / runtime.FILES["ort.wasm"][0]).write_bytes(b"of another version")
    with pytest.raises(ValueError, match=rf"^runtime: expected .*{re.escape(RUNTIME_VERSION)}"):
        Runtime(path).files()


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """The archive of a registry on the disk."""
    folder = tmp_path / "registry" / "onnxruntime-web" / "-"
    folder.mkdir(parents=True)
    archive = write_archive(folder / f"onnxruntime-web-{RUNTIME_VERSION}.tgz")
    monkeypatch.setenv("npm_config_registry", (tmp_path / "registry").as_uri())
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    monkeypatch.setattr(runtime, "INTEGRITY", f"sha512-{digest}")
    return archive


def test_it_is_downloaded_once(registry, tmp_path):
    assert Runtime().files() == CONTENTS
    registry.unlink()
    assert Runtime().files() == CONTENTS
    assert [name for name in listing(tmp_path / "home") if name.endswith("ort.wasm")]


def test_what_was_kept_is_checked(registry, tmp_path):
    Runtime().files()
    (kept,) = (tmp_path / "home").rglob("ort.wasm")
    kept.write_bytes(b"damaged")
    assert Runtime().files() == CONTENTS
    assert kept.read_bytes() == CONTENTS["ort.wasm"]


def test_a_download_that_is_another(registry, tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "INTEGRITY", "sha512-another")
    with pytest.raises(OSError, match=r"has another checksum than the one expected\. Give the"):
        Runtime().files()
    registry.unlink()
    with pytest.raises(OSError, match=r"\.tgz could not be downloaded: .*Give the folder"):
        Runtime().files()
    assert not (tmp_path / "home" / "keras_attention").exists()


def test_a_missing_runtime_is_told_before_the_model_is_traced(tmp_path):
    with pytest.raises(ValueError, match="runtime: expected"):
        export_model(speller(), tmp_path / "new", format="web", runtime=tmp_path / "nowhere")
    assert listing(tmp_path) == []


# The vocabularies of the page, in Node.

TEXTS = odd_texts(400)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
@pytest.mark.parametrize(
    "vocabulary",
    [
        Vocabulary("abcdefghijkl σςé", lowercase=True),
        Vocabulary("abcABC😀'\0"),
        Vocabulary(["a", "abc", "σας", "i̇"], separator=" ", lowercase=True),
        Subwords.from_texts(TEXTS[:200], size=300, longest=20),
    ],
    ids=["lowercase", "characters", "words", "subwords"],
)
def test_the_page_reads_and_writes_as_python(vocabulary):
    rng = np.random.default_rng(0)
    ids = [rng.integers(0, len(vocabulary), rng.integers(0, 12)).tolist() for _ in range(100)]
    found = read_in_node(vocabulary, TEXTS, ids)
    for text, read in zip(TEXTS, found["read"]):
        assert read["tokens"] == vocabulary.split(text), repr(text)
        assert read["ids"] == vocabulary.encode(text), repr(text)
    assert found["written"] == [vocabulary.decode(row) for row in ids]
