#!/usr/bin/env python3
"""Makes diabetes.npz and breast_cancer.npz from the tables that Debian's python3-sklearn ships.

usage: make_tables.py   (run where python3-sklearn and python3-numpy are installed; writes beside itself)
"""
import csv
import gzip
import pathlib

import numpy as np
import sklearn

source = pathlib.Path(sklearn.__file__).parent / "datasets" / "data"
here = pathlib.Path(__file__).parent


def split(rows, labels, share):
    order = np.random.default_rng(0).permutation(len(rows))
    cut = int(share * len(rows))
    return rows[order[:cut]], labels[order[:cut]], rows[order[cut:]], labels[order[cut:]]


def standardised(table):
    return (table - table.mean(0)) / table.std(0)


def save(name, parts):
    members = dict(zip(("Xtr", "ytr", "Xva", "yva"), parts))
    np.savez(here / name, **{k: np.ascontiguousarray(v, np.float64) for k, v in members.items()})


rows = np.loadtxt(gzip.open(source / "diabetes_data_raw.csv.gz"))
target = np.loadtxt(gzip.open(source / "diabetes_target.csv.gz"))
save("diabetes.npz", split(standardised(rows), standardised(target), 2 / 3))

with open(source / "breast_cancer.csv", newline="") as file:
    reader = csv.reader(file)
    next(reader)
    table = np.array([[float(cell) for cell in row] for row in reader])
save("breast_cancer.npz", split(standardised(table[:, :-1]), 2 * table[:, -1] - 1, 2 / 3))
