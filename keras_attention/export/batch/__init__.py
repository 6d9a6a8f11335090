"""Whole files through an artifact for text, line by line, on one machine or on many.

The work runs on Apache Beam. A file is cut into chunks (`chunks`), a worker translates a chunk
(`translating`, with the model of `artifact`) and writes a shard (`shards`), and the shards become
one file again (`merging`).
"""

from keras_attention.export.batch.run import translate_files

__all__ = ["translate_files"]
