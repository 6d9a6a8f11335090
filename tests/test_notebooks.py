"""The notebooks run, and what is committed of them is whole and clean."""

import importlib.util
import os
import re
import types
from pathlib import Path

import pytest

from keras_attention.models import Captioner, EncoderDecoder
from keras_attention.text import Vocabulary

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

FOLDER = Path(__file__).parents[1] / "notebooks"
NAMES = sorted(path.name for path in FOLDER.glob("*.ipynb"))
IMAGES = {
    "01_attention_step_by_step.ipynb": 12,
    "02_translation.ipynb": 10,
    "03_image_captioning.ipynb": 16,
    "04_glimpses.ipynb": 9,
    "05_your_own_model.ipynb": 4,
    "06_sentiment_and_trust.ipynb": 2,
}
# What a notebook needs beyond the extra notebooks.
NEEDED = {
    "01_attention_step_by_step.ipynb": ("anywidget",),
    "02_translation.ipynb": ("anywidget", "sacrebleu", "tensorflow_text"),
    "03_image_captioning.ipynb": ("anywidget", "sacrebleu", "PIL"),
    "04_glimpses.ipynb": ("sklearn",),
    "05_your_own_model.ipynb": ("sklearn", "onnxruntime"),
}


@pytest.fixture(scope="module")
def runner():
    spec = importlib.util.spec_from_file_location("notebooks_run", FOLDER / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def committed(name):
    return nbformat.read(FOLDER / name, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def skip_without_packages(name):
    for package in NEEDED.get(name, ()):
        pytest.importorskip(package)


def images(notebook):
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return sum(any(kind.startswith("image/") for kind in o.get("data", {})) for o in outputs)


# make test has the tests below, which run no cell: that the names that a notebook uses exist.
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_runs(name, runner, tmp_path, monkeypatch):
    skip_without_packages(name)
    monkeypatch.setenv("KERAS_ATTENTION_QUICK", "1")
    # In a folder of its own, so that no trained model is found, whatever was built here before.
    try:
        notebook = runner.execute(committed(name), tmp_path, timeout=240)
    except nbclient.exceptions.CellExecutionError as error:
        if error.ename == "OSError" and error.evalue.startswith("pip could not fetch"):
            pytest.skip(error.evalue.splitlines()[0])
        raise
    shown = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert not [output for output in shown if output.output_type == "error"]
    complaints = [o.text for o in shown if o.get("name") == "stderr" and "Warning" in o.text]
    assert not complaints
    assert images(notebook) >= max(1, IMAGES[name] - 5)
    assert not runner.machine_paths(runner.clean(notebook))


@pytest.mark.parametrize("name", NAMES)
def test_names_of_the_package_that_a_notebook_uses_exist(name):
    skip_without_packages(name)
    lines = [line for cell in code_cells(committed(name)) for line in cell.source.splitlines()]
    imports = [line for line in lines if line.startswith("from keras_attention")]
    assert imports
    names = {}
    for line in imports:
        exec(line, names)
    modules = {n: m for n, m in names.items() if isinstance(m, types.ModuleType)}
    for module, attribute in re.findall(r"\b(\w+)\.(\w+)", "\n".join(lines)):
        if module in modules:
            assert hasattr(modules[module], attribute), f"{module}.{attribute}"


def translator():
    return EncoderDecoder(Vocabulary("abc"), Vocabulary(["A", "B"], " "), units=8)


def captioner():
    return Captioner(Vocabulary(["a", "fox"], " "), (16, 16), units=8, embedding_dim=8)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, built, make",
    [
        ("01_attention_step_by_step.ipynb", ["demo"], translator),
        ("02_translation.ipynb", ["translate"], translator),
        (
            "03_image_captioning.ipynb",
            ["caption/attention", "caption/hard", "caption/no_attention"],
            captioner,
        ),
    ],
)
def test_a_trained_model_is_found(name, built, make, runner, tmp_path, monkeypatch):
    skip_without_packages(name)
    monkeypatch.setenv("KERAS_ATTENTION_QUICK", "1")
    model = make()
    for folder in built:
        (tmp_path / "build" / folder).mkdir(parents=True)
        model.save(tmp_path / "build" / folder / "model.keras")
    (tmp_path / "notebooks").mkdir()
    notebook = committed(name)
    _, setup, *others = code_cells(notebook)
    (loading,) = (cell for cell in others if "A trained model was found" in cell.source)
    notebook.cells = [setup, loading]
    runner.execute(notebook, tmp_path / "notebooks", timeout=240)
    (output,) = loading.outputs
    line = f"A trained model was found, with {model.count_params():,} weights.\n"
    assert output.text == line * len(built)


@pytest.mark.parametrize("name", NAMES)
def test_committed_outputs_are_of_one_whole_run(name):
    cells = code_cells(committed(name))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        assert not [output for output in cell.outputs if output.output_type == "error"]
        # A call on the last line or a print is there to be seen.
        last = cell.source.splitlines()[-1]
        if "print(" in cell.source or last.startswith(("plot_attention(", "show(", "plt.show(")):
            assert cell.outputs, cell.source


@pytest.mark.parametrize("name", NAMES)
def test_committed_outputs_show_pictures(name):
    assert images(committed(name)) >= IMAGES[name]


@pytest.mark.parametrize("name", NAMES)
def test_committed_outputs_are_clean(name, runner):
    notebook = committed(name)
    assert not runner.machine_paths(notebook)
    assert not [text for text in runner.shown(notebook) if "Warning" in text]
    assert notebook == runner.clean(committed(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_begins_by_installing_what_it_needs(name):
    notebook = committed(name)
    (extras,) = re.findall(r"pip install '\.\[([\w,]+)\]'", notebook.cells[0].source)
    assert "on no index" in notebook.cells[1].source and "GPU" in notebook.cells[1].source
    assert f'%pip install --quiet "{{package}}[{extras}]"' in code_cells(notebook)[0].source


def test_a_live_widget_is_committed_as_its_picture(runner):
    data = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "image/png": "iVBOR"}
    cell = nbformat.v4.new_code_cell("explorer")
    cell.outputs = [nbformat.v4.new_output("execute_result", data)]
    assert [*runner.clean(nbformat.v4.new_notebook(cells=[cell])).cells[0].outputs[0].data] == [
        "image/png"
    ]


def test_the_model_by_hand_is_under_40_lines():
    cells = code_cells(committed("01_attention_step_by_step.ipynb"))
    (by_hand,) = [cell for cell in cells if "keras.Input(" in cell.source]
    assert "AttentionRNN(" in by_hand.source and "Bidirectional(" in by_hand.source
    assert len(by_hand.source.splitlines()) < 40


@pytest.mark.parametrize(
    "text, found",
    [
        (f"read {os.sep}home/someone/x.py", ["/home/someone/x.py"]),
        ("('/tmp/a', 1)", ["/tmp/a"]),
        ("https://example.org/home/page and ../work/x and and/or", []),
    ],
)
def test_paths_of_a_machine_are_found(text, found, runner):
    cell = nbformat.v4.new_code_cell("print()")
    cell.outputs = [nbformat.v4.new_output("stream", text=text)]
    assert runner.machine_paths(nbformat.v4.new_notebook(cells=[cell])) == found
