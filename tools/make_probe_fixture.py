#!/usr/bin/python3
"""Writes tests/golden/probes.bin: what scikit-learn, numpy and scipy say of linear probes and of similarities of
representations, for tests/measure/test_probe.c and test_similarity.c.

    tools/make_probe_fixture.py [OUTPUT]        (Debian: python3-sklearn)

The format is that of tools/make_fixture.py.  A double is two entries, NAME and NAME/rest: the nearest float, and what is
left of it.  Names: CASE/feature [training, development, test rows][width], CASE/label, CASE/rows (three), CASE/classes;
for each strength s CASE/s/weights [classes that occur in training][width + 1], bias last, on standardised features, and
CASE/s/development; CASE/chosen (index of the strength), CASE/accuracy.  SET/x, SET/y, SET/size (rows, width), SET/rsa,
SET/cka; overlap/a, overlap/b (rows of class means), overlap/size (classes of a, of b, width), overlap/value.
"""
import struct
import sys
import warnings
from pathlib import Path

import numpy as np
from scipy.linalg import subspace_angles
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

STRENGTHS = [1, 1e-1, 1e-2, 1e-3, 1e-4]


class Writer:
    def __init__(self, path):
        self.file = open(path, "wb")
        self.file.write(b"PALREF1\n")

    def put(self, name, values):
        values = np.asarray(values).reshape(-1)
        whole = values.dtype.kind in "iu"
        data = values.astype("<i4" if whole else "<f4")
        self.file.write(struct.pack("<64sII", name.encode(), int(whole), data.size))
        self.file.write(data.tobytes())

    def put_doubles(self, name, values):
        values = np.asarray(values, dtype=np.float64)
        near = values.astype(np.float32)
        self.put(name, near)
        self.put(name + "/rest", values - near)


def loss_of(x, one_hot, weights, strength):
    logits = x @ weights.T
    return (logsumexp(logits, axis=1) - (logits * one_hot).sum(axis=1)).mean() + strength / 2 * (weights ** 2).sum()


def softmax(logits):
    return np.exp(logits - logsumexp(logits, axis=1, keepdims=True))


def fit(x, label, strength):
    """scikit-learn's optimum, taken further by Newton steps until no component of the gradient is above 1e-12.  Of x the
    last column is 1: the bias is regularised like any weight."""
    model = LogisticRegression(C=1 / (strength * len(x)), multi_class="multinomial", solver="lbfgs", tol=1e-8,
                               fit_intercept=False, max_iter=100000)
    model.fit(x, label)
    found = model.coef_
    if len(model.classes_) == 2:  # scikit-learn keeps one row: the half of it with either sign is the same model
        found = np.vstack([-found, found])
    one_hot = (label[:, None] == model.classes_).astype(float)
    polished = newton(x, one_hot, found, strength)
    fallen = loss_of(x, one_hot, found, strength) - loss_of(x, one_hot, polished, strength)
    print(f"  strength {strength:g}: scikit-learn was {abs(polished - found).max():.1e} off, its loss by {fallen:.1e}")
    assert -1e-15 <= fallen < 1e-6, "scikit-learn minimises something else"
    return polished, model.classes_


def newton(x, one_hot, weights, strength):
    classes, channels = weights.shape
    for _ in range(20):
        p = softmax(x @ weights.T)
        slope = (p - one_hot).T @ x / len(x) + strength * weights
        if abs(slope).max() < 1e-15:
            break
        second = strength * np.eye(weights.size)
        for k in range(classes):
            for m in range(classes):
                block = (x * (p[:, k] * ((k == m) - p[:, m]))[:, None]).T @ x / len(x)
                second[k * channels:(k + 1) * channels, m * channels:(m + 1) * channels] += block
        weights = weights - np.linalg.solve(second, slope.reshape(-1)).reshape(weights.shape)
    assert abs(slope).max() < 1e-12
    return weights


def predict(x, weights, classes):
    return classes[(x @ weights.T).argmax(axis=1)]


def probe_case(writer, name, feature, label, rows, classes):
    print(name)
    train, development = rows[0], rows[0] + rows[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        z = StandardScaler().fit(feature[:train].astype(float)).transform(feature.astype(float))
    x = np.hstack([z, np.ones((len(z), 1))])
    scores, accuracies = [], []
    for s, strength in enumerate(STRENGTHS):
        weights, present = fit(x[:train], label[:train], strength)
        guess = predict(x, weights, present)
        scores.append((guess[train:development] == label[train:development]).mean())
        accuracies.append((guess[development:] == label[development:]).mean())
        writer.put_doubles(f"{name}/{s}/weights", weights)
        writer.put_doubles(f"{name}/{s}/development", [scores[-1]])
    best = int(np.argmax(scores))  # the first of equal ones is the strongest
    writer.put(f"{name}/feature", feature)
    for entry, values in (("label", label), ("rows", rows), ("classes", [classes]), ("chosen", [best])):
        writer.put(f"{name}/{entry}", np.asarray(values, dtype=np.int32))
    writer.put_doubles(f"{name}/accuracy", [accuracies[best]])
    print(f"  development {scores}, chosen {STRENGTHS[best]:g}, test {accuracies[best]:.3f}")


def clusters(random, rows, classes, width, apart):
    """Classes as normal clouds around random centres, seen through a random mixing of the channels."""
    label = random.integers(classes, size=sum(rows))
    cloud = random.normal(size=(sum(rows), width)) + apart * random.normal(size=(classes, width))[label]
    return (cloud @ random.normal(size=(width, width))).astype(np.float32), label


def probe_cases(writer, random):
    rows = [150, 40, 70]
    probe_case(writer, "two", *clusters(random, rows, 2, 12, 0.4), rows, 2)
    rows = [200, 60, 64]
    feature, label = clusters(random, rows, 4, 20, 0.5)
    feature = (feature * random.uniform(0.01, 30, 20) + random.uniform(-300, 300, 20)).astype(np.float32)
    feature[:, 7] = 2.5  # does not vary
    probe_case(writer, "four", feature, label, rows, 4)
    rows = [128, 33, 65]
    probe_case(writer, "separable", *clusters(random, rows, 3, 16, 3), rows, 3)
    rows = [40, 20, 20]  # fewer rows than channels
    probe_case(writer, "few", *clusters(random, rows, 2, 48, 0.4), rows, 2)
    rows = [120, 40, 40]
    feature, label = clusters(random, rows, 4, 8, 1)
    label[:120][label[:120] == 1] = 3  # a label that training has not
    probe_case(writer, "absent", feature, label, rows, 4)


def upper(x):
    x = x.astype(float)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return (x @ x.T)[np.triu_indices(len(x), 1)]


def similarity_cases(writer, random):
    for name, rows, width in (("wide", 23, 41), ("tall", 60, 10)):
        x = random.normal(size=(rows, width)) + 1
        y = (x @ random.normal(size=(width, width)) * 0.3 + random.normal(size=(rows, width))).astype(np.float32)
        x = x.astype(np.float32)
        a, b = x.astype(float) - x.astype(float).mean(axis=0), y.astype(float) - y.astype(float).mean(axis=0)
        cka = ((b.T @ a) ** 2).sum() / np.sqrt(((a.T @ a) ** 2).sum() * ((b.T @ b) ** 2).sum())
        rsa = np.corrcoef(upper(x), upper(y))[0, 1]
        writer.put(f"{name}/x", x)
        writer.put(f"{name}/y", y)
        writer.put(f"{name}/size", np.array([rows, width], dtype=np.int32))
        writer.put_doubles(f"{name}/rsa", [rsa])
        writer.put_doubles(f"{name}/cka", [cka])
        print(f"{name}: RSA {rsa:.6f}, CKA {cka:.6f}")


def overlap_case(writer, random):
    a, b = (random.normal(size=(classes, 12)).astype(np.float32) for classes in (3, 5))
    b[1] += 2 * a[0]
    bases = [(m.astype(float) - m.astype(float).mean(axis=0))[:-1].T for m in (a, b)]
    value = (np.cos(subspace_angles(*bases)) ** 2).mean()
    writer.put("overlap/a", a)
    writer.put("overlap/b", b)
    writer.put("overlap/size", np.array([3, 5, 12], dtype=np.int32))
    writer.put_doubles("overlap/value", [value])
    print(f"overlap {value:.6f}")


def main():
    root = Path(__file__).resolve().parent.parent
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "tests/golden/probes.bin"
    writer, random = Writer(path), np.random.default_rng(1)
    probe_cases(writer, random)
    similarity_cases(writer, random)
    overlap_case(writer, random)


if __name__ == "__main__":
    main()
