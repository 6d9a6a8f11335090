"""Which part of the package may import which, read from the source.

Imports inside functions count too; imports for type checkers do not.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import keras_attention

ROOT = Path(keras_attention.__file__).parent
# From the ground up: a part imports only its own level and those before it.
LEVELS = (
    ("_core",),
    ("scores", "normalizers", "windows", "losses", "metrics", "text"),
    ("layers",),
    ("vision", "generation"),
    ("models", "tfa"),
    ("plots", "datasets"),
    ("export", "callbacks", "explain", "testing", "widgets"),
    ("recipes",),
    ("cli",),
    ("__main__",),
)
LEVEL = {part: number for number, parts in enumerate(LEVELS) for part in parts}
# A method of Keras' own name, whose body is at home above; imported when it is called.
WHEN_CALLED = ("keras_attention.models.generating", "keras_attention.export.keras_formats")
# Where TensorFlow may be imported: below these, and nowhere else.
TENSORFLOW = ("_core/backend", "text/graph.py", "text/foreign/graph", "datasets", "export")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


class Imports(ast.NodeVisitor):
    """The modules that a file imports, all of them and those of its top level."""

    def __init__(self, module: str, path: Path) -> None:
        self._package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        self.anywhere: set[str] = set()
        self.at_import: set[str] = set()
        self._depth = 0
        self.visit(ast.parse(path.read_text("utf-8")))

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" not in ast.unparse(node.test):
            self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    def visit_Import(self, node: ast.Import) -> None:
        self._found(*(alias.name for alias in node.names))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            package = self._package.split(".")
            base = ".".join((*package[: len(package) + 1 - node.level], *filter(None, [base])))
        for alias in node.names:
            name = f"{base}.{alias.name}"
            self._found(name if name in FILES else base)

    def _found(self, *names: str) -> None:
        self.anywhere.update(names)
        if not self._depth:
            self.at_import.update(names)


IMPORTS = {name: Imports(name, path) for name, path in FILES.items()}


def part_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "keras_attention" and len(parts) > 1 else None


def ours(names: set[str]) -> set[str]:
    return {name for name in names if part_of(name)}


def test_every_part_has_a_level() -> None:
    parts = {part_of(name) for name in FILES} - {None}
    assert parts == set(LEVEL)


def test_no_part_imports_a_higher_one() -> None:
    upwards = [
        f"{name} imports {other}"
        for name, imports in IMPORTS.items()
        if part_of(name)
        for other in ours(imports.anywhere)
        if LEVEL[part_of(other)] > LEVEL[part_of(name)] and (name, other) != WHEN_CALLED
    ]
    assert not upwards
    method, body = WHEN_CALLED
    assert body in IMPORTS[method].anywhere - IMPORTS[method].at_import


def test_no_part_imports_another_of_its_level_that_imports_it() -> None:
    edges = {
        (part_of(name), part_of(other))
        for name, imports in IMPORTS.items()
        if part_of(name)
        for other in ours(imports.anywhere)
        if (name, other) != WHEN_CALLED
    }
    assert not [(a, b) for a, b in edges if a != b and (b, a) in edges]


def test_no_file_imports_itself_through_others() -> None:
    graph = {name: ours(imports.anywhere) - {name} for name, imports in IMPORTS.items()}
    # A package's face hands on names of its files, which never import the face.
    graph = {name: {o for o in others if o in FILES} for name, others in graph.items()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name in done:
            return
        for other in graph[name]:
            visit(other, (*path, name))
        done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("name", FILES)
def test_tensorflow_is_imported_only_where_the_design_allows_it(name: str) -> None:
    path = FILES[name].relative_to(ROOT).as_posix()
    found = {other for other in IMPORTS[name].anywhere if other.startswith("tensorflow")}
    if not path.startswith(TENSORFLOW):
        assert not found
    if path.startswith(("_core", "text")):
        assert not {o for o in IMPORTS[name].at_import if o.startswith("tensorflow")}


def test_datasets_export_recipes_and_plots_register_no_class_with_keras() -> None:
    """They are imported when first used: a file with such a class could not be loaded before."""
    for name, path in FILES.items():
        if part_of(name) in ("cli", "datasets", "explain", "export", "recipes", "plots", "testing"):
            # Docstrings may speak of it.
            applied = re.search(r"^ *@.*register_keras_serializable", path.read_text("utf-8"), re.M)
            assert not applied, name


# Methods of torch.nn.Module, which layers are on torch, and which an attribute would hide.
OF_TORCH = frozenset(
    [
        "parameters",
        "named_parameters",
        "buffers",
        "named_buffers",
        "modules",
        "named_modules",
        "children",
        "named_children",
        "train",
        "eval",
        "forward",
        "half",
        "double",
        "bfloat16",
        "cpu",
        "cuda",
        "to",
        "type",
        "requires_grad_",
        "state_dict",
        "load_state_dict",
        "zero_grad",
        "share_memory",
        "register_buffer",
        "register_parameter",
    ]
)


def test_no_layer_hides_a_method_of_torch() -> None:
    for part in ("layers", "losses", "models", "normalizers", "scores", "vision", "windows"):
        for path in (ROOT / part).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                    assert node.attr not in OF_TORCH, f"{path}:{node.lineno}"
