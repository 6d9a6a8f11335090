"""What the export scripts share: their arguments, and errors as one line."""

import argparse
import contextlib
import os
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
    """Reads a `.keras` file in safe mode: it brings no code."""
    import keras

    # Its classes are found by the names under which this import registers them.
    import keras_attention  # noqa: F401

    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if not path.is_file():
        raise ValueError(f"{path} is no file: expected what model.save('NAME.keras') wrote.")
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise ValueError(
            f"{path} cannot be loaded as a Keras model: {type(error).__name__}: {reason[:300]}"
        ) from error


def import_quietly():
    """Imports the package without what TensorFlow prints by itself."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow's first lines do not obey that level, and are no error.
    with open(os.devnull, "w") as nowhere:
        stderr = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            import keras_attention.export
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    return keras_attention.export


@contextlib.contextmanager
def errors_in_one_line():
    """Ends the script with code 1 and one line, where a person can do something about it."""
    try:
        yield
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        print(f"{Path(sys.argv[0]).name}: error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(1) from None
