"""`Run.impute` beside imputers of scikit-learn: a fifth of the cells of tables is missing at random.

    python -m pytest -m benchmark -s tests/benchmarks/test_missing_cells.py

A run is trained on the table with its holes, and fills in these very holes. Errors are of cells that were scaled to 0 .. 1 by the
least and largest value of their column: of the median of draws (MAE and RMSE), of the best of five draws of each cell (MAE); and
the share of cells within intervals of 90 %. Means over three seeds.
"""

import time
import warnings

import numpy as np
import pytest

import quasistatic as qs

pytestmark = pytest.mark.benchmark
SEEDS, SHARE, DRAWS = 3, 0.2, 5
OPTIONS = {"source.test_share": 0, "source.validation_share": 0.1, "training.observers": []}


def tables():
    datasets = pytest.importorskip("sklearn.datasets")
    for name in ("iris", "wine", "breast_cancer"):
        yield name, getattr(datasets, f"load_{name}")().data.astype(float)


def ours(lacking, seed):
    names = [f"x{number}" for number in range(lacking.shape[1])]
    frame = {name: [None if np.isnan(cell) else cell for cell in own] for name, own in zip(names, lacking.T, strict=True)}
    run = qs.train(qs.load_recipe("table", {**OPTIONS, "seed": seed}), frame)
    found = run.impute(frame, draws=DRAWS, seed=seed)
    places = tuple(np.array([(row, names.index(column)) for row, column in found.cells]).T)

    def filled(cells):
        whole = lacking.copy()
        whole[places] = [float(cell) for cell in cells]
        return whole

    ends = np.full((2, *lacking.shape), np.nan)
    ends[(slice(None), *places)] = found.interval(0.9)
    return filled(found.texts("median")), [filled(found.texts(number)) for number in range(DRAWS)], ends


def rivals():
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer, KNNImputer

    def point(make):
        def fill(lacking, seed):
            whole = make(seed).fit_transform(lacking)
            return whole, None, None

        return fill

    def drawn(lacking, seed):
        draws = [IterativeImputer(sample_posterior=True, random_state=100 * seed + k).fit_transform(lacking) for k in range(40)]
        ends = np.quantile(draws, [0.05, 0.95], axis=0)
        return np.median(draws, axis=0), draws[:DRAWS], ends

    def forest(seed):
        return IterativeImputer(ExtraTreesRegressor(100, random_state=seed, n_jobs=1), max_iter=5, random_state=seed)

    yield "5 nearest neighbours", point(lambda seed: KNNImputer())
    yield "1 nearest neighbour", point(lambda seed: KNNImputer(n_neighbors=1))
    yield "iterative, point", point(lambda seed: IterativeImputer(random_state=seed))
    yield "iterative, drawn 40 times", drawn
    yield "iterative, forests", point(forest)


def test_missing_cells(capsys):
    for name, whole in tables():
        low, high = whole.min(axis=0), whole.max(axis=0)
        for method, fill in (("quasistatic", ours), *rivals()):
            rows, began = [], time.perf_counter()
            for seed in range(SEEDS):
                is_lost = np.random.RandomState(seed).random_sample(whole.shape) < SHARE
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    middle, draws, ends = fill(np.where(is_lost, np.nan, whole), seed)
                away = ((middle - whole) / (high - low))[is_lost]
                best, inside = np.nan, np.nan
                if draws is not None:
                    best = np.abs((np.array(draws) - whole) / (high - low)).min(axis=0)[is_lost].mean()
                    inside = ((ends[0] <= whole) & (whole <= ends[1]))[is_lost].mean()
                rows.append((np.abs(away).mean(), np.sqrt((away**2).mean()), best, inside))
            mean = np.mean(rows, axis=0)
            with capsys.disabled():
                seconds = (time.perf_counter() - began) / SEEDS
                values = "  ".join(f"{value:.3f}" for value in mean)
                print(f"{name:15} {method:26} MAE, RMSE, best of {DRAWS}, inside: {values}   {seconds:.0f} s")
