"""quasistatic inpaint, denoise and condition, on an untrained run of small images."""

import json
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import quasistatic as qs
from quasistatic_plugins.conditioning.draws import FEW, Draws, hidden_elements, inpainted
from quasistatic_plugins.conditioning.how import How

SMALL = {
    "source.view": "grey", "source.augment": False, "kernel.use": "gaussian", "kernel.mean": "levels",
    "model.width": 8, "model.depth": 1, "trajectory.steps": 4, "training.updates": 1, "training.batch": 4,
    "training.validation_events": 2, "training.validation_steps": 2, "training.observers": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    qs.train(qs.load_recipe("digits", SMALL), out=folder)
    return folder


def arrays_of(path):
    with np.load(path) as arrays:
        return dict(arrays)


def test_what_is_shown_stays_and_what_is_hidden_is_drawn(cli, digits, tmp_path):
    out = tmp_path / "draws.npz"
    told = cli("inpaint", digits, "-n", 2, "--draws", 3, "--particles", 4, "--hide", "2:6,2:6", "--json", "-o", out)
    assert told.exit_code == 0, told.output
    values, arrays = json.loads(told.stdout), arrays_of(out)
    hidden = np.zeros((8, 8), bool)
    hidden[2:6, 2:6] = True
    assert arrays["draws"].shape == (2, 3, 8, 8) and set(np.unique(np.round(arrays["draws"], 4))) <= {*range(17)}
    assert np.allclose(arrays["draws"][:, :, ~hidden], arrays["x"][:, None, ~hidden])
    assert np.isnan(arrays["seen"][:, hidden]).all() and not np.isnan(arrays["seen"][:, ~hidden]).any()
    away = (arrays["draws"].mean(axis=1) - arrays["x"])[:, hidden]
    assert values["rms_error_of_the_mean_draw_hidden_elements"] == pytest.approx(np.sqrt(np.mean(away**2)), rel=1e-5)
    few = arrays["least_effective_share"] * 4 < FEW
    assert (np.isnan(arrays["log_evidence_nats"]) == few).all()
    assert (values["log_evidence_nats_per_event"] is None) == few.any()


def test_elements_that_are_mixtures_of_columns_are_refused(cli, tmp_path):
    np.save(tmp_path / "plane.npy", np.random.default_rng(0).normal(size=(40, 2)))
    options = ("source.scale=whiten", "training.updates=1", "model.width=2", "trajectory.steps=2", "training.validation_events=4")
    settings = [part for option in options for part in ("--set", option)]
    assert cli("train", tmp_path / "plane.npy", "--out", tmp_path / "run", *settings).exit_code == 0
    told = cli("inpaint", tmp_path / "run", "-o", tmp_path / "out.npz")
    assert told.exit_code == 2 and "an element of an event is a mixture of columns; train with source.scale" in told.stderr


@pytest.mark.parametrize(("evidence", "mean", "few"), [([-1.0, -3.0], -2.0, 0), ([-1.0, np.nan], None, 1), (None, None, 0)])
def test_evidence_is_the_mean_over_events_or_not_known(evidence, mean, few):
    source = qs.make("source", "heartbeat")
    found = Draws(np.zeros((2, 1, *source.event.shape)), log_evidence=evidence and np.array(evidence))
    assert found.few == few
    assert found.values(source, "all", None)["log_evidence_nats_per_event"] == mean


class Obedient(qs.AbstractModel):
    """Says that data are what side information tells, and nothing without it."""

    def __call__(self, features, t, side=None, *, key=None):
        return jnp.where(side.present, 30.0 * (2.0 * side.value - 1.0), 0.0) * jnp.ones((4, 1))


@pytest.mark.parametrize("method", ["exact", "bridged"])
def test_the_network_is_told_what_is_known_beside_an_event(method):
    kernel = qs.make("kernel", "binomial", qs.Binary((4,)))
    diffusion = qs.Diffusion(kernel, Obedient(), 3, side=qs.Side.absent(qs.Binary(())))
    x, told = np.array([[0, 1, 0, 1], [1, 0, 1, 0], [1, 1, 0, 0]], np.float32), np.array([1, 0, 1], np.float32)
    how = How(Path(), Path(), method, particles=3, steps=None, seed=0, as_json=False, draws=2)
    run = SimpleNamespace(diffusion=diffusion)
    found = inpainted(run, qs.Data(x, told), np.array([True, True, False, False]), how).draws
    assert (found[..., :2] == told[:, None, None]).all() and (found[..., 2:] == x[:, None, 2:]).all()


def test_noise_is_added_in_the_units_of_the_data(cli, digits, tmp_path):
    out = tmp_path / "draws.npz"
    told = cli("denoise", digits, "-n", 40, "--draws", 1, "--method", "bridged", "--noise", 2, "-o", out)
    assert told.exit_code == 0, told.output
    arrays = arrays_of(out)
    away = arrays["seen"] - arrays["x"]
    assert away.std() == pytest.approx(2.0, rel=0.05)
    rms, error = np.sqrt(np.mean(away**2)), np.mean(away**2, axis=(1, 2)).std(ddof=1) / np.sqrt(40)
    line = f"rms error of what was seen  {rms:.4f} +- {error / (2 * rms):.4f} in the units of the data"
    assert line in told.stdout
    assert np.abs(arrays["draws"][:, 0] - arrays["x"]).mean() < 2.0


def test_a_potential_is_named_with_its_options(cli, digits, tmp_path):
    brighter, darker = (tmp_path / name for name in ("more.npz", "less.npz"))
    for out, strength in ((brighter, 3), (darker, -3)):
        told = cli("condition", digits, "linear", "--set", f"strength={strength}", "-n", 3, "--method", "bridged", "-o", out)
        assert told.exit_code == 0, told.output
    assert arrays_of(brighter)["draws"].mean() > arrays_of(darker)["draws"].mean() + 4


def test_a_picture_has_a_row_for_each_event(cli, digits, tmp_path):
    out = tmp_path / "before.png"
    told = cli("inpaint", digits, "-n", 2, "--draws", 2, "--method", "paper", "-o", out)
    assert told.exit_code == 0, told.output
    with Image.open(out) as image:
        width, height = image.size
    assert width / height == pytest.approx(1.6 * 5 / (1.7 * 2), rel=0.05)


@pytest.mark.parametrize(
    ("text", "count"),
    [("left", 32), ("right", 32), ("top", 32), ("bottom", 32), ("center", 16), ("0:1,:", 8), ("6:,7:8", 2), ("0.5", None)],
)
def test_what_is_hidden(text, count):
    hidden = hidden_elements(text, (8, 8), seed=0)
    assert hidden.shape == (8, 8) and (hidden.sum() == count if count else 16 < hidden.sum() < 48)
    colours = hidden_elements(text, (8, 8, 3), seed=0)
    assert np.array_equal(colours, np.stack([hidden] * 3, axis=-1)), "all colours of a pixel are hidden together"


def test_bright_pixels_of_a_picture_are_hidden(tmp_path):
    mask = np.zeros((4, 6), np.uint8)
    mask[1, 2:4] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    assert np.array_equal(hidden_elements(str(tmp_path / "mask.png"), (4, 6), 0), mask > 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inpaint", "--hide", "small.png"], "expected a picture of 8x8 pixels, got 3x5"),
        (["inpaint", "--hide", "absent.png"], "cannot be read as a picture"),
        (["inpaint", "--hide", "broken.png"], "cannot be read as a picture"),
        (["inpaint", "--hide", "middle"], "expected left, right, top, bottom, center, rows and columns such as 2:6,0:8"),
        (["inpaint", "--hide", "0"], "hides none of the elements"),
        (["inpaint", "--hide", ":,:"], "hides all of the elements"),
        (["inpaint", "--method", "best"], "'best' is not one of"),
        (["denoise"], "Missing option '--noise'"),
        (["denoise", "--noise", "0"], "0.0 is not in the range x>0"),
        (["denoise", "--noise", "nan"], "--noise: expected a finite number, got nan"),
        (["condition", "linear", "--draws", "2"], "No such option"),
        (["denoise", "--noise", "1", "--noisy"], "name the noisy events with --data"),
        (["condition", "linear", "--set", "strenth=1"], "unknown option; did you mean 'strength'?"),
        (["condition", "linear", "--set", "strength"], "expected KEY=VALUE"),
        (["condition", "lineal"], "no potential is called 'lineal'; did you mean 'linear'?"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_message(cli, digits, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((3, 5), np.uint8)).save("small.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n")
    told = cli(arguments[0], digits, *arguments[1:], "-o", "out.png")
    assert told.exit_code == 2 and said in " ".join(told.output.split()) and "Traceback" not in told.output
    assert not (tmp_path / "out.png").exists()


def test_a_place_that_cannot_be_written_is_found_first(cli, digits, tmp_path):
    for out, said in ((tmp_path / "absent" / "a.png", "does not exist"), (tmp_path / "a.txt", "expected a name that ends with")):
        told = cli("inpaint", digits, "-o", out)
        assert told.exit_code == 2 and said in told.output
