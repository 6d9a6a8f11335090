"""What `import keras_attention` brings along, and what it does not."""

import subprocess
import sys

import keras_attention


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_it_imports_keras_and_nothing_else():
    code = """if True:
        import sys, keras
        before = set(sys.modules)
        import keras_attention
        print(*{name.partition(".")[0] for name in set(sys.modules) - before})
    """
    assert run(code) == ["keras_attention"]


def test_importing_it_is_enough_to_load_a_saved_model(tmp_path):
    path = tmp_path / "model.keras"
    model = keras_attention.models.EncoderDecoder(10, 12, units=8, embedding_dim=4)
    loss, metric = (
        keras_attention.losses.SequenceCrossentropy(0.1),
        keras_attention.metrics.TokenAccuracy(),
    )
    model.compile("adam", loss, metrics=[metric])
    model.save(path)
    code = f"import keras, keras_attention; print(keras.models.load_model({str(path)!r}).name)"
    assert run(code) == [model.name]


def test_every_public_name_is_there_and_says_what_it_is():
    for name in keras_attention.__all__:
        assert getattr(keras_attention, name).__doc__
