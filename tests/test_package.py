"""What `import keras_attention` brings along, and that its public names are declared in full."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

import keras_attention

# The words of an annotation: `Any` alone tells nothing, the aliases of `_core.types` do.
ANY = re.compile(r"\bAny\b")


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def public_modules():
    """The package, and every module in it that no leading underscore hides and has an `__all__`."""
    names = ["keras_attention"]
    for info in pkgutil.walk_packages(keras_attention.__path__, "keras_attention."):
        hidden = any(part.startswith("_") for part in info.name.split("."))
        if not hidden and (info.ispkg or info.name.count(".") == 1):
            names.append(info.name)
    return [importlib.import_module(name) for name in names]


MODULES = public_modules()
OBJECTS = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in MODULES
    for name in getattr(module, "__all__", ())
    if not inspect.ismodule(getattr(module, name))
}
# Each object once, under its shortest name.
BY_IDENTITY = {}
for path in sorted(OBJECTS, key=lambda path: (path.count("."), path)):
    if callable(OBJECTS[path]):
        BY_IDENTITY.setdefault(id(OBJECTS[path]), path)
CALLABLES = {path: OBJECTS[path] for path in BY_IDENTITY.values()}


def methods(cls):
    """The public methods and the constructor that a class defines itself, as functions."""
    for name, member in vars(cls).items():
        # Python itself gives a protocol a constructor.
        made = name == "__init__" and not getattr(cls, "_is_protocol", False)
        if made or not name.startswith("_"):
            function = (
                member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
            )
            if inspect.isfunction(function):
                yield name, function
            if isinstance(member, property):
                yield name, member.fget


def annotations(path, public):
    """`(what, annotation or None)` for every parameter and result of a public name."""
    functions = list(methods(public)) if inspect.isclass(public) else [("", public)]
    for name, function in functions:
        where = f"{path}.{name}" if name else path
        signature = inspect.signature(function)
        for parameter in signature.parameters.values():
            if parameter.name not in ("self", "cls"):
                given = parameter.annotation
                yield f"{where}({parameter.name})", None if given is parameter.empty else str(given)
        if name != "__init__":
            given = signature.return_annotation
            yield f"{where} ->", None if given is signature.empty else str(given)


ANNOTATIONS = [pair for path, public in CALLABLES.items() for pair in annotations(path, public)]


def test_importing_it_imports_keras_and_nothing_else():
    code = """if True:
        import sys, keras
        before = set(sys.modules)
        import keras_attention
        print(*{name.partition(".")[0] for name in set(sys.modules) - before})
    """
    assert run(code) == ["keras_attention"]


def test_every_subpackage_is_an_attribute_at_once():
    names = [name for name in keras_attention.__all__ if name.islower()]
    code = f"import keras_attention\nfor name in {names}: print(getattr(keras_attention, name))"
    assert run(code).count("<module") == len(names)
    folder = Path(keras_attention.__file__).parent
    # Folders without code hold data.
    parts = (path for path in folder.iterdir() if path.suffix == ".py" or any(path.glob("*.py")))
    files = {path.stem for path in parts}
    assert {name for name in files if not name.startswith("_")} == set(names)


def test_an_unknown_attribute_is_an_error():
    with pytest.raises(AttributeError, match="no attribute 'atention'"):
        _ = keras_attention.atention


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


def test_every_class_that_is_registered_with_keras_is_so_after_the_import():
    folder = Path(keras_attention.__file__).parent
    sources = {path: path.read_text("utf-8") for path in folder.rglob("*.py")}
    count = sum(
        len(re.findall(r"^ *@keras\.saving\.register_keras_serializable", text, re.M))
        for text in sources.values()
    )
    code = """if True:
        import keras, keras_attention
        names = keras.saving.get_custom_objects()
        print(len([name for name in names if name.startswith("keras_attention>")]))
    """
    assert run(code) == [str(count)]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_a_public_module_declares_its_names(module):
    assert module.__doc__
    assert list(module.__all__) == sorted(
        module.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )
    for name in module.__all__:
        assert hasattr(module, name), name


@pytest.mark.parametrize("path", CALLABLES)
def test_a_public_name_is_documented_with_an_example_that_runs(path):
    documentation = inspect.getdoc(CALLABLES[path])
    assert documentation
    # There is nothing to run in an exception or in a contract.
    contract = getattr(CALLABLES[path], "_is_protocol", False)
    if not contract and not issubclass_of(CALLABLES[path], Exception):
        assert ">>> " in documentation


def issubclass_of(public, base):
    return inspect.isclass(public) and issubclass(public, base)


def test_every_public_parameter_and_result_is_annotated():
    assert not [what for what, annotation in ANNOTATIONS if annotation is None]


def test_at_most_two_in_a_hundred_are_annotated_with_any():
    vague = [what for what, annotation in ANNOTATIONS if annotation and ANY.search(annotation)]
    assert len(vague) <= 0.02 * len(ANNOTATIONS), vague


def test_the_package_says_that_it_is_typed():
    assert (Path(keras_attention.__file__).parent / "py.typed").exists()


def test_every_public_layer_takes_the_options_of_a_keras_layer():
    for path, public in CALLABLES.items():
        if issubclass_of(public, keras.layers.Layer):
            parameters = inspect.signature(public.__init__).parameters.values()
            assert any(p.kind == p.VAR_KEYWORD for p in parameters), path
