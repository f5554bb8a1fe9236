"""A network learns to read handwritten digits.

The data are the 1,797 real digits of 8 x 8 pixels that scikit-learn ships (Alpaydin and Kaynak,
1998). A multi-layer perceptron is trained by mini-batches with softmax cross-entropy and Adam;
loss, gradient and Adam's update are one compiled tape. The same step written by hand in NumPy is
checked to give the same parameters, and timed beside it, both on one thread.

    python examples/digits.py [--epochs 30] [--hidden 128 64] [--out digits.png] [--no-plot]

Needs scikit-learn, tqdm and matplotlib: ``pip install .[demo]``.
"""

import argparse
import time
from itertools import pairwise

import numpy as np
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits
from tqdm import tqdm

import pybackprop as bp

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


# ---- data and model -----------------------------------------------------------------------------


def digits(rng, held_out, dtype):
    """Images scaled to [0, 1] and labels, shuffled: to learn from, then held out."""
    images, labels = load_digits(return_X_y=True)
    order = rng.permutation(len(images))
    images, labels = (images[order] / 16).astype(dtype), labels[order]
    return images[held_out:], labels[held_out:], images[:held_out], labels[:held_out]


def make_parameters(rng, sizes, dtype):
    """Weights and biases per layer (He et al., 2015, initialisation)."""
    return [
        {
            "weight": (rng.normal(size=(n, m)) * np.sqrt(2 / n)).astype(dtype),
            "bias": np.zeros(m, dtype),
        }
        for n, m in pairwise(sizes)
    ]


def scores(parameters, images):
    """One score per image and digit."""
    *hidden, last = parameters
    for layer in hidden:
        images = bp.relu(images @ layer["weight"] + layer["bias"])
    return images @ last["weight"] + last["bias"]


def loss(parameters, images, labels):
    """Mean softmax cross-entropy."""
    log_probabilities = bp.special.log_softmax(scores(parameters, images), axis=1)
    return -np.mean(np.take_along_axis(log_probabilities, labels[:, None], axis=1))


def cosine_decay(rate, steps):
    """A learning rate that falls from ``rate`` to zero along half a cosine."""
    return lambda count: 0.5 * rate * (1 + np.cos(np.pi * count / steps))


def make_step(optimizer):
    """A training step: loss, gradient and update in one tape."""

    @bp.compile
    def step(parameters, state, images, labels):
        value, gradient = bp.value_and_grad(loss)(parameters, images, labels)
        parameters, state = optimizer.update(parameters, gradient, state)
        return parameters, state, value

    return step


# ---- the same step by hand ----------------------------------------------------------------------


class ByHand:
    """The training step written in NumPy, in place where that saves time."""

    def __init__(self, parameters, rate):
        self.weights = [layer["weight"].copy() for layer in parameters]
        self.biases = [layer["bias"].copy() for layer in parameters]
        flat = self.weights + self.biases
        self.means = [np.zeros_like(p) for p in flat]
        self.squares = [np.zeros_like(p) for p in flat]
        self.rate = rate
        self.count = 0

    def step(self, images, labels):
        """Update the parameters; return the loss before."""
        n = len(images)
        activations = [images]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            z = activations[-1] @ weight
            z += bias
            activations.append(np.maximum(z, 0, out=z))
        z = activations[-1] @ self.weights[-1]
        z += self.biases[-1]
        z -= z.max(axis=1, keepdims=True)
        exponentials = np.exp(z)
        totals = exponentials.sum(axis=1, keepdims=True)
        rows = np.arange(n)
        value = np.mean(np.log(totals[:, 0]) - z[rows, labels])

        adjoint = exponentials
        adjoint /= totals
        adjoint[rows, labels] -= 1
        adjoint /= n
        weight_gradients, bias_gradients = [], []
        for k in range(len(self.weights) - 1, -1, -1):
            weight_gradients.append(activations[k].T @ adjoint)
            bias_gradients.append(adjoint.sum(axis=0))
            if k:
                adjoint = adjoint @ self.weights[k].T
                adjoint *= activations[k] > 0
        self._adam(weight_gradients[::-1] + bias_gradients[::-1])
        return value

    def _adam(self, gradients):
        rate = float(self.rate(self.count))
        self.count += 1
        rate /= 1 - BETA1**self.count
        scale = float(1 / np.sqrt(1 - BETA2**self.count))
        parameters = self.weights + self.biases
        for p, g, m, s in zip(parameters, gradients, self.means, self.squares, strict=True):
            m *= BETA1
            m += (1 - BETA1) * g
            s *= BETA2
            g *= g
            g *= 1 - BETA2
            s += g
            denominator = np.sqrt(s)
            denominator *= scale
            denominator += EPSILON
            np.divide(m, denominator, out=denominator)
            denominator *= rate
            p -= denominator


def compare(parameters, optimizer, rate, images, labels, repeats):
    """Check that both steps agree; return the median time of each in seconds.

    Raises
    ------
    AssertionError
        If they do not.
    """
    step, state, by_hand = (
        make_step(optimizer),
        optimizer.init(parameters),
        ByHand(parameters, rate),
    )
    double = images.dtype == np.float64
    close = {"rtol": 1e-8, "atol": 1e-9} if double else {"rtol": 1e-3, "atol": 1e-4}
    for _ in range(5):
        parameters, state, ours = step(parameters, state, images, labels)
        np.testing.assert_allclose(ours, by_hand.step(images, labels), **close)
    for layer, weight, bias in zip(parameters, by_hand.weights, by_hand.biases, strict=True):
        np.testing.assert_allclose(layer["weight"], weight, **close)
        np.testing.assert_allclose(layer["bias"], bias, **close)
    times = np.empty((repeats, 2))
    for i in range(repeats):  # in turns, so that both meet the machine in the same state
        start = time.perf_counter()
        parameters, state, _ = step(parameters, state, images, labels)
        middle = time.perf_counter()
        by_hand.step(images, labels)
        times[i] = middle - start, time.perf_counter() - middle
    return np.median(times, axis=0)


# ---- training -----------------------------------------------------------------------------------


def train(parameters, optimizer, rng, images, labels, epochs, batch):
    """Train; return the parameters, the loss at each step and the seconds it took."""
    step = make_step(optimizer)
    state = optimizer.init(parameters)
    losses = []
    start = time.perf_counter()
    with tqdm(range(epochs), desc="training", unit="epoch") as bar:
        for _ in bar:
            order = rng.permutation(len(images))
            first = len(losses)
            for i in range(0, len(order), batch):
                # The last batch is shorter: a second shape, compiled once and kept as well.
                chosen = order[i : i + batch]
                parameters, state, value = step(parameters, state, images[chosen], labels[chosen])
                losses.append(value)
            bar.set_postfix(loss=f"{np.mean(losses[first:]):.4f}")
    return parameters, np.array(losses), time.perf_counter() - start


def draw(path, losses, steps_per_epoch, images, labels, predicted):
    """Write a picture of the loss and of digits that were read wrong."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    wrong = np.flatnonzero(predicted != labels)
    figure = plt.figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1))
    axes = left.subplots()
    epochs = np.arange(len(losses)) / steps_per_epoch
    axes.semilogy(epochs, losses, color="0.75", linewidth=0.7, label="each step")
    means = losses.reshape(-1, steps_per_epoch).mean(axis=1)
    axes.semilogy(np.arange(len(means)) + 0.5, means, color="C0", label="mean of the epoch")
    axes.set(xlabel="epoch", ylabel="cross-entropy", title="Loss on the training digits")
    axes.legend()
    shown = wrong[:10]
    rest = "" if len(shown) == len(wrong) else f", {len(shown)} shown"
    right.suptitle(f"{len(wrong)} of {len(labels)} held-out digits read wrong{rest}")
    columns = max(2, -(-len(shown) // 2))
    grid = right.subplots(2, columns).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, i in zip(grid, shown, strict=False):
        axes.imshow(images[i].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(f"is {labels[i]}, read {predicted[i]}", fontsize="medium")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main():
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--hidden", type=int, nargs="*", default=[128, 64])
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--held-out", type=int, default=360)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    parser.add_argument("--repeats", type=int, default=500, help="steps that are timed")
    parser.add_argument("--out", default="digits.png")
    parser.add_argument("--no-plot", action="store_true")
    options = parser.parse_args()

    rng = np.random.default_rng(options.seed)
    dtype = np.dtype(options.dtype)
    images, labels, test_images, test_labels = digits(rng, options.held_out, dtype)
    sizes = [images.shape[1], *options.hidden, 10]
    parameters = make_parameters(rng, sizes, dtype)
    steps_per_epoch = -(-len(images) // options.batch)
    rate = cosine_decay(options.rate, options.epochs * steps_per_epoch)
    optimizer = bp.optim.adam(rate, BETA1, BETA2, EPSILON)
    print(
        f"{len(images)} digits to learn from, {len(test_images)} held out; network "
        f"{'-'.join(map(str, sizes))}, {dtype}, batches of {options.batch} "
        f"and a last one of {(len(images) - 1) % options.batch + 1}"
    )

    with threadpool_limits(1):  # NumPy's products on one thread, as ours are
        batch = images[: options.batch], labels[: options.batch]
        ours, by_hand = compare(parameters, optimizer, rate, *batch, options.repeats)
        parameters, losses, seconds = train(
            parameters, optimizer, rng, images, labels, options.epochs, options.batch
        )
    predicted = np.argmax(bp.compile(scores)(parameters, test_images), axis=1)
    accuracy = np.mean(predicted == test_labels)

    print(f"held-out digits read right: {accuracy:.2%}")
    print(f"training: {seconds:.2f} s for {len(losses)} steps, compilation included")
    print(
        f"one step (median of {options.repeats}, one thread): {1e6 * ours:.0f} us with pybackprop, "
        f"{1e6 * by_hand:.0f} us in NumPy by hand, the same parameters after five steps"
    )
    if not options.no_plot:
        draw(options.out, losses, steps_per_epoch, test_images, test_labels, predicted)
        print(f"picture: {options.out}")


if __name__ == "__main__":
    main()
