"""What is raised where an artifact cannot be made, or does not answer as its model did."""


class ExportError(RuntimeError):
    """An artifact that cannot be written or read, or that answers differently.

    Example:

    >>> from keras_attention.export import ExportError
    >>> str(ExportError("greedy.onnx: output 'scores' differs by 1"))
    "greedy.onnx: output 'scores' differs by 1"
    """
