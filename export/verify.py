"""Checks that an exported artifact still answers as its model did when it was written.

Prints a line for every signature or graph and loader, and ends with code 1 where
one differs or the artifact cannot be read.
"""

import argparse

import _command


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "path",
        metavar="PATH",
        help="a SavedModel, a directory of versions, or an ONNX or LiteRT one",
    )
    _command.add_tolerance(parser)
    args = parser.parse_args(arguments)
    with _command.errors_in_one_line():
        verification = _command.import_quietly().verification
        for folder in verification.artifacts(args.path):
            print(f"{folder}", flush=True)
            replayed = verification.replay_in_fresh_process(folder, args.tolerance)
            for row in replayed["rows"]:
                print(line(row))
            verification.raise_on_difference(folder, replayed)


def line(row):
    """One row of the report for people."""
    verdict = "DIFFERENT" if row["problems"] else "equal"
    return (
        f"  {row['name']:<16} {row['loader']:<12} {row['cases']:>2} cases  {verdict:<9}  "
        f"largest difference {row['max_abs_difference']:.1e}"
    )


if __name__ == "__main__":
    main()
