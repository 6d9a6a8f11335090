"""The command `keras-attention`: models and artifacts from a terminal.

`say`, `translate` and `caption` use a model, `train` makes one, `export` and `verify` take it to
where it serves, `batch` translates whole files, and `inspect` shows what is in a file.
"""

from keras_attention.cli import batch, caption, export, inspect, say, train, translate, verify
from keras_attention.cli.app import main

__all__ = ["main"]

# Importing a file adds its command.
_COMMANDS = (say, translate, caption, train, export, verify, batch, inspect)
