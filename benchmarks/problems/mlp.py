"""One training step of a small network, 64-128-64-10: products with accumulation, in both dtypes.

The sizes are those of the 8x8 digits of the demo. The parameters are a dict of six arrays and
the gradient is a dict like it, as a training loop has them. Batch 32 is the hard size: the
products are too small to hide any overhead.
"""

from itertools import pairwise

import numpy as np

from problems.base import Case, Problem

WIDTHS = (64, 128, 64, 10)


class Mlp(Problem):
    """Mean softmax cross-entropy of a ReLU network, gradient by all weights and biases."""

    name = "mlp"
    sizes = tuple(
        {"batch": batch, "dtype": dtype} for batch in (32, 1024) for dtype in ("float64", "float32")
    )
    c_source = "mlp.c"

    def case(self, batch, dtype):
        """Case of `batch` rows; weights scaled as He et al. (2015), labels one-hot.

        The seed leaves no unit within 1e-6 of ReLU's kink at either batch size, so that float32
        rounding cannot move a unit across it and make a right answer look wrong.
        """
        rng = np.random.default_rng(18)
        x = {}
        for i, (fan_in, fan_out) in enumerate(pairwise(WIDTHS), start=1):
            x[f"W{i}"] = rng.standard_normal((fan_in, fan_out)) * np.sqrt(2.0 / fan_in)
            x[f"b{i}"] = 0.1 * rng.standard_normal(fan_out)
        features = rng.uniform(0.0, 1.0, (batch, WIDTHS[0]))
        one_hot = np.eye(WIDTHS[-1])[rng.integers(0, WIDTHS[-1], batch)]
        x = {key: array.astype(dtype) for key, array in x.items()}
        return Case(
            self,
            f"mlp batch {batch} {dtype}",
            x,
            (features.astype(dtype), one_hot.astype(dtype)),
            (batch,),
            1e-11 if dtype == "float64" else 1e-4,
            frozenset({"small" if batch == 32 else "large", "step"}),
        )

    def objective(self, ops):
        """Two hidden layers and a cross-entropy."""

        def mlp(p, features, one_hot):
            hidden1 = ops.relu(features @ p["W1"] + p["b1"])
            hidden2 = ops.relu(hidden1 @ p["W2"] + p["b2"])
            return ops.softmax_cross_entropy(hidden2 @ p["W3"] + p["b3"], one_hot)

        return mlp

    def data_torch(self, features, one_hot):
        """PyTorch's cross-entropy is a tenth faster with the labels as integers."""
        return features, one_hot.argmax(axis=1)

    def objective_casadi(self, ops):
        """As `objective` with everything transposed, since CasADi's matrices are column-major."""
        ca = ops.casadi

        def layer(weights_t, bias, below_t):
            return weights_t @ below_t + ca.repmat(bias, 1, below_t.shape[1])

        def mlp(p, features_t, one_hot_t):
            hidden1 = ca.fmax(layer(p["W1"], p["b1"], features_t), 0.0)
            hidden2 = ca.fmax(layer(p["W2"], p["b2"], hidden1), 0.0)
            z = layer(p["W3"], p["b3"], hidden2)
            # The logits of this problem are of order one: no shift is needed before exp.
            per_row = ca.log(ca.sum1(ca.exp(z))) - ca.sum1(one_hot_t * z)
            return ca.sum2(per_row) / one_hot_t.shape[1]

        return mlp

    def by_hand(self, p, features, one_hot):
        """Backpropagation as in a textbook: d logits = (softmax - one_hot) / batch, then back."""
        hidden1 = features @ p["W1"]
        hidden1 += p["b1"]
        np.maximum(hidden1, 0.0, out=hidden1)
        hidden2 = hidden1 @ p["W2"]
        hidden2 += p["b2"]
        np.maximum(hidden2, 0.0, out=hidden2)
        z = hidden2 @ p["W3"]
        z += p["b3"]
        z -= z.max(axis=1, keepdims=True)
        z_bar = np.exp(z)
        total = z_bar.sum(axis=1, keepdims=True)
        batch = features.shape[0]
        value = (np.log(total).sum() - np.sum(one_hot * z)) / batch
        z_bar /= total
        z_bar -= one_hot
        z_bar /= batch
        hidden2_bar = z_bar @ p["W3"].T
        hidden2_bar *= hidden2 > 0.0
        hidden1_bar = hidden2_bar @ p["W2"].T
        hidden1_bar *= hidden1 > 0.0
        return value, {
            "W1": features.T @ hidden1_bar,
            "b1": hidden1_bar.sum(axis=0),
            "W2": hidden1.T @ hidden2_bar,
            "b2": hidden2_bar.sum(axis=0),
            "W3": hidden2.T @ z_bar,
            "b3": z_bar.sum(axis=0),
        }
