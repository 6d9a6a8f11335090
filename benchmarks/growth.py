"""How time and memory of additive attention grow with the number of keys, forward and backward.

The work is that of `additive.py`: 4 examples of 64 queries, 256 units, and 64 to 4,096 keys.
"""

from pathlib import Path

from additive import keras_layer, ours
from harness import Case, Comparison

BATCH, QUERIES, UNITS = 4, 64, 256
KEYS = (64, 128, 256, 512, 1024, 2048, 4096)
OURS, KERAS = "keras_attention", "keras AdditiveAttention"


def comparisons(smoke):
    return [Comparison(f"{keys} keys", _cases(keys)) for keys in ((3, 6) if smoke else KEYS)]


def _cases(keys):
    settings = {"shape": (BATCH, QUERIES, keys, UNITS), "xla": False}
    return [Case(OURS, "project", ours, settings), Case(KERAS, "project", keras_layer, settings)]


def summary(measured):
    return {
        label: {
            f"{quantity}_ratio_keras": cases[KERAS].get(f"{quantity}_ratio")
            for quantity in ("time", "memory")
        }
        for label, cases in measured.items()
    }


def claims(section):
    return []


def draw(measured, folder):
    """growth.png: one panel for time, one for memory, both logarithmic."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    keys = [int(label.split()[0]) for label in measured]
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    panels = ("ms", "time of a step [ms]"), ("extra_mib", "peak extra memory [MiB]")
    for axis, (quantity, title) in zip(axes, panels):
        for name, marker in ((OURS, "o"), (KERAS, "s")):
            values = [cases[name][quantity] for cases in measured.values()]
            axis.plot(keys, values, marker=marker, label=name)
        axis.set(xscale="log", yscale="log", xlabel="keys", title=title)
        axis.set_xticks(keys, keys)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.suptitle(
        "Additive attention, forward and backward: "
        f"{BATCH} examples, {QUERIES} queries, {UNITS} units"
    )
    figure.savefig(Path(folder) / "growth.png", dpi=120)
    pyplot.close(figure)
