"""Checks that an exported artifact still answers as its model did when it was written.

    python export/verify.py PATH [--tolerance X]

This is `keras-attention verify`. It prints a row for every signature or graph and loader, and
ends with code 1 where one differs or cannot be loaded, and with 2 where there is no artifact.
"""

import _command


def main(arguments=None):
    _command.run("verify", arguments)


if __name__ == "__main__":
    main()
