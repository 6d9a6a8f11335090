"""The inputs of the models that read and write text: ids of the source and of the target."""

from __future__ import annotations

from keras import ops

from keras_attention._core.backend.replicas import averaged_over_replicas
from keras_attention._core.checks import check_ids, check_shape
from keras_attention._core.types import Structure, Tensor


def source_ids(inputs: Structure) -> Tensor:
    """The source ids `(B, S)`, alone or as `"source"` of a dictionary."""
    source = ops.convert_to_tensor(inputs["source"] if isinstance(inputs, dict) else inputs)
    check_ids("source", source)
    return source


def source_and_target(inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The ids `"source"` `(B, S)` and `"target"` `(B, T)` of a dictionary, checked."""
    if not isinstance(inputs, dict) or not {"source", "target"} <= set(inputs):
        raise ValueError(
            "inputs: expected a dictionary with the ids 'source' and 'target', received "
            f"{sorted(inputs) if isinstance(inputs, dict) else type(inputs).__name__}."
        )
    source, target = (ops.convert_to_tensor(inputs[name]) for name in ("source", "target"))
    if averaged_over_replicas():
        source, target = ops.cast(source, "int32"), ops.cast(target, "int32")
    check_ids("source", source)
    check_ids("target", target)
    expected = (source.shape[0], target.shape[1])
    check_shape("target", target, expected, "as many targets as sources")
    return source, target
