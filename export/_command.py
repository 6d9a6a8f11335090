"""What the export scripts share: their arguments, and errors as one line."""

import argparse
import contextlib
import importlib.util
import os
import runpy
import sys
from pathlib import Path


def positive(text):
    """A positive integer among the arguments."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer, received {text}")
    return number


def export_parser(description):
    """A parser with what every export takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model", type=Path, metavar="MODEL.keras", help="what model.save wrote")
    parser.add_argument(
        "target", type=Path, metavar="TARGET", help="the directory to be; its parent must exist"
    )
    parser.add_argument(
        "--max-length",
        type=positive,
        default=64,
        metavar="N",
        help="how many tokens decoding gives at most (default 64)",
    )
    parser.add_argument(
        "--num-beams",
        type=positive,
        default=4,
        metavar="K",
        help="how many hypotheses the beam search keeps, and returns (default 4)",
    )
    parser.add_argument(
        "--length-penalty",
        type=float,
        default=0.0,
        metavar="A",
        help="above 0 the beam prefers longer sequences; 0.6 is usual (default 0)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace an artifact that is there, once the new one is verified",
    )
    add_tolerance(parser)
    return parser


def add_tolerance(parser):
    """How far floats may be from what the model gave."""
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1e-4,
        metavar="X",
        help="the largest allowed difference of floats (default 1e-4)",
    )


def export(args, **options):
    """Loads the model, exports it, and prints what was verified."""
    with errors_in_one_line():
        package = import_quietly()
        print(f"Loading {args.model}", flush=True)
        model = load(args.model)
        print(f"Exporting to {args.target}", flush=True)
        from keras_attention import generation

        search = generation.BeamSearch(
            num_beams=args.num_beams,
            max_length=args.max_length,
            length_penalty=args.length_penalty,
        )
        report = package.export_model(
            model,
            args.target,
            search=search,
            overwrite=args.overwrite,
            tolerance=args.tolerance,
            **options,
        )
        names = report.get("signatures") or report.get("graphs")
        version = f", version {report['version']}" if "version" in report else ""
        print(f"Verified {', '.join(names)}{version}")
        print(
            "Ids and texts are equal to the model's, the largest difference of floats is "
            f"{report['max_abs_difference']:.1e}"
        )


def load(path):
    """Reads a `.keras` file; importing keras_attention registers the classes that it names."""
    from keras_attention._core.loading import load_model

    return load_model(path, compile=False)


def import_quietly():
    """Imports the package without what TensorFlow prints meanwhile.

    The silencer is loaded by its path; importing it from the package would import TensorFlow.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    package = importlib.util.find_spec("keras_attention")
    if package is None:
        raise ImportError("keras_attention is not installed; in a clone: pip install '.[onnx]'")
    path = os.path.join(package.submodule_search_locations[0], "_core", "quiet.py")
    with runpy.run_path(path)["silent_stderr"]():
        import keras_attention.export
    return keras_attention.export


@contextlib.contextmanager
def errors_in_one_line():
    """Ends the script with code 1 and one line, where a person can do something about it."""
    try:
        yield
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        print(f"{Path(sys.argv[0]).name}: error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(1) from None
