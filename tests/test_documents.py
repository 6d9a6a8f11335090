"""The README and the pages of the documentation: their examples run, their links lead somewhere.

What is fenced as `py` is for another library, and not run here.
"""

import configparser
import importlib
import re
from pathlib import Path

import pytest
import tensorflow as tf

from tests import on_install
from tests.tfa.test_parity import BY_NAME

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    "README.md",
    *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))),
)
WORDS = 900
# They train or export for seconds.
SLOW = {
    "docs/how-to/generation.md-2",
    "docs/how-to/tagging.md-1",
    "docs/migrating-from-tfa.md-8",
    "docs/start/training.md-1",
}
EXAMPLES = [
    pytest.param(code, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
    for document in DOCUMENTS
    for number, code in enumerate(
        re.findall(r"```python\n(.*?)```", (ROOT / document).read_text("utf-8"), re.DOTALL), 1
    )
    for name in [f"{document}-{number}"]
]


def test_the_documents_have_examples():
    assert len(EXAMPLES) >= 3 + 6


def test_the_readme_is_read_in_minutes():
    text = re.sub(r"```.*?```", "", (ROOT / "README.md").read_text("utf-8"), flags=re.DOTALL)
    lines = [line for line in text.splitlines() if not line.startswith("    ")]
    assert len(" ".join(lines).split()) <= WORDS


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_runs(code, request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if 'load_checkpoint("trained")' in code:
        write_tfa_checkpoint("trained")
    exec(compile(code, request.node.callspec.id, "exec"), {})


def write_tfa_checkpoint(path):
    """A checkpoint as tfa wrote it, with the same names."""
    name = "AttentionWrapper-lstm-BahdanauAttention-attention_layer_size=5-output_attention=True"
    root = tf.train.Checkpoint()
    for weight, array in BY_NAME[name].below("weights").items():
        *parts, last = weight.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE").split("/")
        holder = root
        for part in parts:
            if not hasattr(holder, part):
                setattr(holder, part, tf.train.Checkpoint())
            holder = getattr(holder, part)
        setattr(holder, last, tf.Variable(array))
    root.write(path)


def test_every_link_within_a_document_leads_somewhere():
    for document in DOCUMENTS:
        path = ROOT / document
        text = path.read_text("utf-8")
        headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.M)
        anchors = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
        prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)]+)\)", prose):
            if target.startswith("#"):
                assert target[1:] in anchors, target
            elif not target.startswith(("http", "reference/")):
                file = target.partition("#")[0].replace("../notebooks/", "../../notebooks/")
                if document == "docs/gallery.md":
                    file = file.replace("notebooks/", "../notebooks/")
                assert (path.parent / file).exists(), (document, target)


def test_the_lines_without_tensorflow_name_all_that_the_package_needs_but_tensorflow():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", "utf-8")
    needed = {
        line.split()[0] for line in settings["options"]["install_requires"].split("\n") if line
    }
    package, others = on_install.commands("torch")
    assert package == ["install", "--no-deps", "."]
    assert set(others[1:]) == needed - {"tensorflow"} | {"torch"}


def test_the_guide_names_everything_that_tfa_exports():
    guide = (ROOT / "docs/migrating-from-tfa.md").read_text("utf-8")
    exports = """
        AttentionMechanism AttentionWrapper AttentionWrapperState BahdanauAttention
        BahdanauMonotonicAttention LuongAttention LuongMonotonicAttention hardmax
        monotonic_attention safe_cumprod BasicDecoder BasicDecoderOutput BeamSearchDecoder
        BeamSearchDecoderOutput BeamSearchDecoderState FinalBeamSearchDecoderOutput gather_tree
        gather_tree_from_array tile_batch BaseDecoder Decoder dynamic_decode SequenceLoss
        sequence_loss CustomSampler GreedyEmbeddingSampler InferenceSampler
        SampleEmbeddingSampler Sampler ScheduledEmbeddingTrainingSampler
        ScheduledOutputTrainingSampler TrainingSampler
    """
    table = guide.partition("## Everything that tfa exports")[2].partition("\n## ")[0]
    left = {
        name
        for row in table.splitlines()
        for name in re.findall(r"`(\w+)`", row.split("|")[1] if row.startswith("|") else "")
    }
    assert left == set(exports.split())


PACKAGES = (
    "callbacks",
    "export",
    "generation",
    "layers",
    "losses",
    "metrics",
    "models",
    "normalizers",
    "scores",
    "text",
    "tfa",
    "vision",
    "windows",
)


def names_in(text):
    """The names `package.name` of the library in a text, without paths and tfa's own modules."""
    packages = "|".join(PACKAGES)
    others = r"md\b|config\b|seq2seq\b|layers\b|text\b"
    name = rf"(?<![\w./-])(?:keras_attention\.)?({packages})\.(?!{others})(\w+)"
    return set(re.findall(name, text))


def exists(package, name):
    """Whether a package has a name or a subpackage; those of an extra are not imported."""
    module = importlib.import_module(f"keras_attention.{package}")
    return name in dir(module) or (Path(module.__file__).parent / name / "__init__.py").exists()


def test_every_name_of_the_library_in_the_documents_exists():
    text = "".join((ROOT / document).read_text("utf-8") for document in DOCUMENTS)
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    table = [line.split("|") for line in changes.splitlines() if line.startswith("|")]
    text += "\n".join(row[2] for row in table)
    found = names_in(text)
    assert len(found) > 20
    missing = [f"{package}.{name}" for package, name in sorted(found) if not exists(package, name)]
    assert not missing
