"""What can happen to a file."""


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


# By name, a function of the path.
DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": _cut,
    "garbage": lambda path: path.write_bytes(bytes(range(256)) * 20),
    "missing": lambda path: path.unlink(),
}
