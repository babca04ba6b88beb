"""Mistakes in sources."""

import math

import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from faults_catalogue import Catalogue

catalogue = Catalogue("source", lambda cls: cls())


class Stored(
    qs.AbstractSource,
    qs.sources.AbstractTruth,
    qs.sources.AbstractJudge,
    qs.sources.AbstractBaselines,
    qs.sources.AbstractDrawing,
    qs.sources.AbstractReading,
    qs.sources.AbstractWriting,
):
    """A sound source: normal numbers, without their shift and in units of their deviation."""

    endings = (".txt",)
    event = qs.Real((1,))
    units = qs.Units(shift=3.0, scale=2.0)

    def __init__(self):
        values = np.random.default_rng(0).normal(3.0, 2.0, size=(600, 1))
        self.x = self.units.to_model(values).astype(np.float32)

    def split(self, name, count=None):
        first = {"train": 0, "validation": 400, "test": 500}[name]
        return qs.Data(self.x[first : 400 if name == "train" else first + 100][:count])

    def stored(self):
        return qs.sources.ArrayRows(self.split("train").x)

    def draw(self, row, *, key):
        return row, None

    def log_prob(self, xs):
        return -0.5 * np.asarray(xs, np.float64)[:, 0] ** 2 - 0.5 * math.log(2 * math.pi)

    def judge(self, xs):
        return {"mean": float(np.mean(xs))}

    def baselines(self, xs):
        return {"unit normal": self.log_prob(xs)}

    def render(self, xs, axes):
        axes.hist(np.ravel(xs))

    def read_events(self, path):
        try:
            values = np.array(path.read_text().split(), float)
        except (OSError, ValueError) as error:
            raise qs.DataError(f"{path}: {error}") from error
        if len(values) == 0:
            raise qs.DataError(f"{path}: holds no numbers")
        return qs.Data(self.event.check(self.units.to_model(values.reshape(-1, *self.event.shape))))

    def write_events(self, xs, ending):
        return "".join(f"{value:.3f}\n" for value in np.ravel(self.units.to_user(np.asarray(xs, np.float64)))).encode()


class Generated(qs.AbstractGeneratedSource):
    """A sound source of throws of an uneven coin, which draws its events."""

    event = qs.Binary((2,))

    def __init__(self):
        super().__init__(seed=0, validation_events=200, test_events=200)

    def draw(self, row, *, key):
        return jnp.where(qs.numerics.uniform((2,), key=key) < 0.3, 1.0, 0.0).astype(jnp.float32), None


@catalogue.caught_by("disjoint")
class ValidationFromTraining(Stored):
    """The validation events are the last of the training events."""

    def split(self, name, count=None):
        return qs.Data(self.x[350:400][:count]) if name == "validation" else super().split(name, count)


@catalogue.caught_by("splits")
class ShuffledAtEveryCall(Stored):
    """Splits again, at random, whenever it is asked."""

    def split(self, name, count=None):
        return qs.Data(np.random.permutation(self.x)[: count or 100])


@catalogue.caught_by("splits")
class LabelGluedToTheEvent(Stored):
    """The label stands beside the numbers: the network is to guess what it is shown."""

    def split(self, name, count=None):
        x = super().split(name, count).x
        return qs.Data(np.concatenate([x, x > 0], axis=1).astype(np.float32))


@catalogue.caught_by("splits")
class SideInformationTooNarrow(Stored):
    """Declares one number for each of three classes and gives the number of the class."""

    side = qs.Real((3,))

    def split(self, name, count=None):
        x = super().split(name, count).x
        return qs.Data(x, np.digitize(x, [-0.5, 0.5]).astype(np.float32))

    def draw(self, row, *, key):
        return row, jnp.digitize(row, jnp.array([-0.5, 0.5])).astype(jnp.float32)


@catalogue.caught_by("scale")
class NotScaled(Stored):
    """Gives the numbers in the user's units."""

    units = qs.Units()


class _ForgetfulUnits(qs.Units):
    def to_user(self, x):
        return x * self.scale


@catalogue.caught_by("units")
class ShiftForgotten(Stored):
    """The way back to the user's units multiplies by the scale and adds no shift."""

    units = _ForgetfulUnits(shift=3.0, scale=2.0)


@catalogue.caught_by("true-log-prob")
class DensityWithoutItsConstant(Stored):
    """The normal density without the root of 2 pi."""

    def log_prob(self, xs):
        return super().log_prob(xs) + 0.5 * math.log(2 * math.pi)


@catalogue.caught_by("true-log-prob")
class DensityInTheUsersUnits(Stored):
    """Evaluates the density of the user's numbers and forgets the Jacobian of the scale."""

    def log_prob(self, xs):
        return super().log_prob(xs) - math.log(self.units.scale)


@catalogue.caught_by("support")
class SpinsForBits(Generated):
    """Declares bits and gives spins."""

    def draw(self, row, *, key):
        bits, side = super().draw(row, key=key)
        return 2.0 * bits - 1.0, side


@catalogue.caught_by("support")
class ClassesCountedFromOne(Generated):
    """Declares classes 0 .. n - 1 and gives 1 .. n, as the file has them."""

    event = qs.Categorical((2,), 3)

    def draw(self, row, *, key):
        return jr.randint(key, (2,), 1, 4), None


@catalogue.caught_by("draws")
class DrawsInAnotherType(Stored):
    """Training reads whole numbers, evaluation floats."""

    def draw(self, row, *, key):
        return jnp.round(row).astype(jnp.int32), None


@catalogue.caught_by("draws")
class OneKeyForTwoChanges(Stored):
    """Flips and shifts an event with one key."""

    def draw(self, row, *, key):
        flipped = jnp.where(jr.bernoulli(key), row, -row)
        return flipped + 0.1 * jr.normal(key, row.shape), None


@catalogue.caught_by("draws")
class NoiseOfAGlobalGenerator(Stored):
    """Augments by numpy's global generator: no step can be replayed."""

    def draw(self, row, *, key):
        return row + np.random.normal(size=row.shape).astype(np.float32), None


@catalogue.caught_by("draws")
class GeneratorIgnoresItsKey(Generated):
    """Every event is drawn with a key of its own making."""

    def draw(self, row, *, key):
        return super().draw(row, key=jr.key(7))


@catalogue.caught_by("draws")
class DrawIgnoresItsRow(Stored):
    """Trains on the first event for ever."""

    def draw(self, row, *, key):
        return jnp.asarray(self.x[0]), None


@catalogue.caught_by("ranks")
class EachProcessForItself(Stored):
    """Each process augments with noise of its own, drawn when its program is compiled."""

    def draw(self, row, *, key):
        return row + np.random.default_rng().normal(size=row.shape).astype(np.float32), None


@catalogue.caught_by("splits")
class CountFromTheEnd(Stored):
    """Gives the last events where a count of the first is asked for."""

    def split(self, name, count=None):
        data = super().split(name)
        return data if count is None else qs.Data(data.x[-count:])


class _FlatRows(qs.sources.ArrayRows):
    def __getitem__(self, numbers):
        return self.arrays[np.sort(numbers, axis=None)].reshape(*np.shape(numbers), *self.arrays.shape[1:])


@catalogue.caught_by("rows")
class RowsInTheOrderOfTheFile(Stored):
    """Sorts the row numbers, to read a file from front to back, and forgets to put the rows back in order."""

    def stored(self):
        return _FlatRows(self.split("train").x)


@catalogue.caught_by("judge")
class JudgesEachEvent(Stored):
    """Measures every event where one number for all of them is asked for."""

    def judge(self, xs):
        return {"distance": np.abs(xs)}


@catalogue.caught_by("baselines")
class BaselineOfNothing(Stored):
    """The log-likelihood of a model whose variance was never fitted."""

    def baselines(self, xs):
        return {"normal": np.full(len(xs), -math.inf)}


@catalogue.caught_by("baselines")
class BaselineOfTheMean(Stored):
    """Gives one number for all events."""

    def baselines(self, xs):
        return {"unit normal": float(np.mean(self.log_prob(xs)))}


@catalogue.caught_by("drawing")
class DrawsOnAFigureOfItsOwn(Stored):
    """Draws somewhere else and leaves the axes that it is given empty."""

    def render(self, xs, axes):
        axes.figure.add_subplot().hist(np.ravel(xs))


@catalogue.caught_by("reading")
class ErrorsOfItsReader(Stored):
    """Lets through whatever the reader of files raises."""

    def read_events(self, path):
        return qs.Data(self.event.check(np.loadtxt(path, ndmin=2)))


@catalogue.caught_by("written")
class WritesInModelUnits(Stored):
    """Writes numbers as the network has them, and reads them as the user has them."""

    def write_events(self, xs, ending):
        return "".join(f"{value:.3f}\n" for value in np.ravel(xs)).encode()


@catalogue.caught_by("written")
class WritesWholeNumbers(Stored):
    """Writes no decimals, so that a good part of each number is lost."""

    def write_events(self, xs, ending):
        return "".join(f"{value:.0f}\n" for value in np.ravel(self.units.to_user(np.asarray(xs, np.float64)))).encode()


@catalogue.caught_by("written", raises=True)  # of one event nothing is written
class WritesAllButOne(Stored):
    """Leaves out the last event, as it has no line end."""

    def write_events(self, xs, ending):
        return super().write_events(xs[:-1], ending)


@catalogue.caught_by("written")
class WritesInAnotherOrder(Stored):
    """Writes the events sorted."""

    def write_events(self, xs, ending):
        return super().write_events(np.sort(xs, axis=0), ending)


@catalogue.caught_by("written")
class WritesACounter(Stored):
    """Reads a line of its own at the top, and counts in it how often it has written."""

    count = 0

    def write_events(self, xs, ending):
        self.count += 1
        return f"{self.count}\n".encode() + super().write_events(xs, ending)

    def read_events(self, path):
        return qs.Data(super().read_events(path).x[1:])


# the truth, and copies


def _normal(x, mean, variance):
    return -0.5 * (x - mean) ** 2 / variance - 0.5 * math.log(2 * math.pi * variance)


@catalogue.caught_by("true-draws")
class TruthTooWide(Stored):
    """A normal density that is normalised, and has a third more variance than the data."""

    def log_prob(self, xs):
        return _normal(np.asarray(xs, np.float64)[:, 0], 0.0, 1.5)


@catalogue.caught_by("true-draws")
class TruthShifted(Stored):
    """The density of data that were centred, for data that were not quite."""

    def log_prob(self, xs):
        return _normal(np.asarray(xs, np.float64)[:, 0], 0.4, 1.0)


class Numbers(qs.AbstractGeneratedSource, qs.sources.AbstractTruth):
    """A sound source of normal numbers, which it draws."""

    event = qs.Real((1,))

    def __init__(self):
        super().__init__(seed=0, validation_events=200, test_events=200)

    def draw(self, row, *, key):
        return jr.normal(key, (1,)), None

    def log_prob(self, xs):
        return _normal(np.asarray(xs, np.float64)[:, 0], 0.0, 1.0)


@catalogue.caught_by("true-draws")
class TruthWithTwoPeaks(Numbers):
    """A mixture with the mean and the variance of the data, which have one peak."""

    def log_prob(self, xs):
        x = np.asarray(xs, np.float64)[:, 0]
        return np.logaddexp(_normal(x, -0.9, 0.19), _normal(x, 0.9, 0.19)) - math.log(2)


class Coins(Generated, qs.sources.AbstractTruth):
    """A sound source of throws, which knows its probabilities."""

    share = 0.3

    def log_prob(self, xs):
        ones = np.asarray(xs, np.float64).sum(axis=1)
        return ones * math.log(self.share) + (2 - ones) * math.log(1 - self.share)


@catalogue.caught_by("true-draws")
class CoinOfAnotherShare(Coins):
    """The true probabilities are those of another coin, and sum to one."""

    share = 0.36


class Pairs(qs.AbstractGeneratedSource, qs.sources.AbstractTruth):
    """A sound source of five numbers that depend on each other: too many for a grid."""

    event = qs.Real((5,))
    correlation = 0.5

    def __init__(self):
        super().__init__(seed=0, validation_events=200, test_events=200)

    def draw(self, row, *, key):
        numbers = jr.normal(key, (6,))
        return (math.sqrt(0.5) * (numbers[0] + numbers[1:])).astype(jnp.float32), None

    def log_prob(self, xs):
        covariance = (1 - self.correlation) * np.eye(5) + self.correlation
        x = np.asarray(xs, np.float64)
        squares = np.einsum("ni,ij,nj->n", x, np.linalg.inv(covariance), x)
        return -0.5 * (squares + np.linalg.slogdet(covariance)[1] + 5 * math.log(2 * math.pi))


@catalogue.caught_by("true-draws")
class CorrelationForgotten(Pairs):
    """The density is that of independent numbers with the right variances."""

    correlation = 0.0


@catalogue.caught_by("true-log-prob")
class ConstantForgottenInFiveDimensions(Pairs):
    """The density of five numbers has the constant of one."""

    def log_prob(self, xs):
        return super().log_prob(xs) + 2 * math.log(2 * math.pi)


class Words(Stored):
    """A sound source of stored symbols."""

    event = qs.Categorical((8,), 4)
    units = qs.Units()

    def __init__(self):
        self.x = np.random.default_rng(0).integers(0, 4, size=(600, 8)).astype(np.int32)

    def log_prob(self, xs):
        return np.full(len(xs), -8 * math.log(4))


@catalogue.caught_by("copies")
class CopiesOfWords(Words):
    """The validation events are training events: symbols, which no law of real numbers looks at."""

    def split(self, name, count=None):
        return qs.Data(self.x[100:200][:count]) if name == "validation" else super().split(name, count)


@catalogue.caught_by("copies")
class CopiesOfBits(Words):
    """Half of the test events are training events with one bit flipped."""

    event = qs.Binary((40,))

    def __init__(self):
        self.x = np.random.default_rng(0).integers(0, 2, size=(600, 40)).astype(np.float32)
        self.x[500:550] = self.x[:50]
        self.x[500:550, 3] = 1 - self.x[500:550, 3]


@catalogue.caught_by("copies")
class CopiesThroughHalfPrecision(Stored):
    """The validation events are training events that went through a file of float16."""

    def split(self, name, count=None):
        x = self.x[100:200].astype(np.float16).astype(np.float32)
        return qs.Data(x[:count]) if name == "validation" else super().split(name, count)


@catalogue.caught_by("copies")
class CopiesWithNoise(Words):
    """The test events are training events with a little noise of their own."""

    event = qs.Real((3,))

    def __init__(self):
        rng = np.random.default_rng(0)
        self.x = rng.normal(size=(600, 3)).astype(np.float32)
        self.x[500:] = self.x[:100] + rng.normal(scale=0.01, size=(100, 3)).astype(np.float32)


# side information, and files of one event and of many


class Labelled(Stored):
    """A sound source of two clouds of numbers, whose label says which."""

    side = qs.Categorical((), 2)
    event = qs.Real((2,))
    units = qs.Units()

    def __init__(self):
        rng = np.random.default_rng(0)
        self.labels = rng.integers(0, 2, size=600).astype(np.int32)
        self.x = (0.5 * rng.normal(size=(600, 2)) + 0.87 * (2 * self.labels[:, None] - 1)).astype(np.float32)

    def split(self, name, count=None):
        first, last = {"train": (0, 400), "validation": (400, 500), "test": (500, 600)}[name]
        return qs.Data(self.x[first:last][:count], self.given(name, self.labels[first:last])[:count])

    def given(self, name, labels):
        return labels

    def stored(self):
        data = self.split("train")
        return qs.sources.ArrayRows((data.x, data.side))

    def draw(self, row, *, key):
        return row

    def log_prob(self, xs):
        far = [-0.5 * np.sum((np.asarray(xs, np.float64) - centre) ** 2, axis=1) / 0.25 for centre in (-0.87, 0.87)]
        return np.logaddexp(*far) - math.log(2 * math.pi * 0.25 * 2)


@catalogue.caught_by("labels")
class LabelsOfValidationShuffled(Labelled):
    """The validation events were shuffled, and their labels were not."""

    def given(self, name, labels):
        return np.random.default_rng(1).permutation(labels) if name == "validation" else labels


@catalogue.caught_by("labels")
class LabelsOfTestShifted(Labelled):
    """The labels of the test split have a header that was taken for one: each is that of the event before."""

    def given(self, name, labels):
        return np.roll(labels, 1) if name == "test" else labels


@catalogue.caught_by("labels")
class LabelsOfTestBackwards(Labelled):
    """The test split is read from the end, its labels from the beginning."""

    def given(self, name, labels):
        return labels[::-1] if name == "test" else labels


@catalogue.caught_by("labels")
class LabelOfAnotherRow(Labelled):
    """Training draws take the label of a row beside that of the event."""

    def stored(self):
        data = self.split("train")
        return qs.sources.ArrayRows((data.x, np.roll(data.side, 7)))


@catalogue.caught_by("labels")
class NumbersOfAnotherEvent(Labelled):
    """Side information is a number of the event; that of the validation split is sorted."""

    side = qs.Real(())

    def given(self, name, labels):
        first = {"train": 0, "validation": 400, "test": 500}[name]
        numbers = self.x[first : first + len(labels), 0]
        return np.sort(numbers) if name == "validation" else numbers


@catalogue.caught_by("written")
class OneEventIsAHeader(Stored):
    """A file of one line is taken for a header without events."""

    def read_events(self, path):
        data = super().read_events(path)
        return qs.Data(data.x[:0]) if len(data.x) == 1 else data


@catalogue.caught_by("written")
class WritesAHundredAtMost(Stored):
    """Writes a block of 64 events, and forgets those after it."""

    def write_events(self, xs, ending):
        return super().write_events(xs[:64], ending)
