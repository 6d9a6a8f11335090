"""Keeps packages from being imported, so that an artifact is shown not to need them."""

import importlib.machinery

MODEL_PACKAGES = ("keras", "keras_attention", "tf_keras")


class Blocker:
    """Finds the forbidden packages, so that looking for one works, and loads none."""

    def __init__(self, forbidden):
        self.forbidden = forbidden

    def find_spec(self, name, path=None, target=None):
        # TensorFlow asks where Keras would be while it is imported itself.
        if name.partition(".")[0] in self.forbidden:
            return importlib.machinery.ModuleSpec(name, self)
        return None

    def create_module(self, spec):
        raise ModuleNotFoundError(f"{spec.name} may not be imported here", name=spec.name)

    def exec_module(self, module):
        pass
