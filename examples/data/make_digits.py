#!/usr/bin/python3
"""Makes digits.npz from the digits table of scikit-learn (Debian package python3-sklearn, or a path given as the
first argument).  Needs python3 and numpy.  Run from anywhere; writes next to itself, the same bytes every time.
"""
import gzip
import io
import os
import sys
import zipfile

import numpy

SOURCE = "/usr/lib/python3/dist-packages/sklearn/datasets/data/digits.csv.gz"
TRAIN, VALID, HOLD = 900, 400, 497
CORRUPTED = 0.5
CLASSES = 10


def read_table(path):
    with gzip.open(path, "rt") as file:
        table = numpy.loadtxt(file, delimiter=",")
    assert table.shape == (TRAIN + VALID + HOLD, 65)
    return table[:, :64], table[:, 64].astype(numpy.int32)


def corrupt(labels, random):
    """Half of the labels, chosen at random, become another class, each other class equally likely."""
    count = len(labels)
    chosen = random.permutation(count)[: int(CORRUPTED * count)]
    shift = random.randint(1, CLASSES, size=len(chosen))
    clean = numpy.ones(count, dtype=bool)
    clean[chosen] = False
    seen = labels.copy()
    seen[chosen] = (seen[chosen] + shift) % CLASSES
    return seen.astype(numpy.int32), clean


def write_npz(path, arrays):
    """As numpy.savez_compressed, but without the time of day in the file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            numpy.lib.format.write_array(buffer, array, allow_pickle=False)
            entry = zipfile.ZipInfo(name + ".npy", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, buffer.getvalue())


def main():
    pixels, labels = read_table(sys.argv[1] if len(sys.argv) > 1 else SOURCE)
    # RandomState, not default_rng: its stream is frozen, so every numpy makes the same file.
    random = numpy.random.RandomState(20)
    order = random.permutation(len(labels))
    pixels = (pixels[order] / 16.0).astype(numpy.float32)
    labels = labels[order]
    seen, clean = corrupt(labels[:TRAIN], random)
    write_npz(
        os.path.join(os.path.dirname(os.path.abspath(__file__)), "digits.npz"),
        {
            "train.x": pixels[:TRAIN],
            "train.y": seen,
            "train.clean": clean,
            "train.truth": labels[:TRAIN],
            "valid.x": pixels[TRAIN : TRAIN + VALID],
            "valid.y": labels[TRAIN : TRAIN + VALID],
            "hold.x": pixels[TRAIN + VALID :],
            "hold.y": labels[TRAIN + VALID :],
        },
    )


if __name__ == "__main__":
    main()
