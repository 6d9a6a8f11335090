"""Translates files, line by line, with a SavedModel for text: on this machine or on many.

    python export/batch_translate.py served/translate book.txt --output build/book
    python export/batch_translate.py served/translate *.txt --output gs://bucket/out \\
        --runner FlinkRunner -- --flink_master=host:8081 --parallelism=16

This is `keras-attention batch`. It runs on Apache Beam (in a clone: pip install '.[beam]'); what
follows "--" are options of Beam.
"""

import _command


def main(arguments=None):
    _command.run("batch", arguments)


if __name__ == "__main__":
    main()
