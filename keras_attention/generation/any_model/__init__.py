"""Any Keras model from source and target to logits, as a decoder."""

__all__: list[str] = []
