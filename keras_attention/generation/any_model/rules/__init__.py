"""Rules: how each kind of layer runs on one position of the target after another."""

__all__: list[str] = []
