"""Operations of tensorflow-text that a SavedModel uses, loaded without Keras."""

from __future__ import annotations

import glob
import importlib.util
import os


def load_operations(folder: str) -> None:
    """Loads the operations that a SavedModel uses beyond TensorFlow's own.

    `import tensorflow_text` needs Keras; its compiled libraries do not.

    Args:
        folder: a SavedModel.

    Raises:
        RuntimeError: if an operation cannot be found.
    """
    import tensorflow as tf

    missing = missing_operations(folder)
    for library in text_libraries() if missing else ():
        tf.load_op_library(library)
        missing = [name for name in missing if not _is_known(name)]
        if not missing:
            break
    if missing:
        raise RuntimeError(
            f"it uses the operations {', '.join(missing)}, which TensorFlow itself lacks; those "
            "for subwords come, in a clone of the repository, with: pip install '.[text]'"
        )


def missing_operations(folder: str | os.PathLike[str]) -> list[str]:
    """The operations of a SavedModel that this process does not know, sorted."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    with open(os.path.join(str(folder), "saved_model.pb"), "rb") as file:
        model = SavedModel.FromString(file.read())
    used: set[str] = set()
    for part in model.meta_graphs:
        used.update(node.op for node in part.graph_def.node)
        for function in part.graph_def.library.function:
            used.update(node.op for node in function.node_def)
        # A function is called by its own name, too.
        used -= {function.signature.name for function in part.graph_def.library.function}
    return sorted(name for name in used if not _is_known(name))


def text_libraries() -> list[str]:
    """The files of tensorflow-text that hold operations; none if it is not installed."""
    spec = importlib.util.find_spec("tensorflow_text")
    if spec is None or not spec.submodule_search_locations:
        return []
    package = spec.submodule_search_locations[0]
    return sorted(glob.glob(os.path.join(package, "python", "ops", "_*.so")))


def _is_known(name: str) -> bool:
    from tensorflow.python.framework import op_def_registry

    return op_def_registry.get(name) is not None
