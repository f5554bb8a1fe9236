"""Logistic regression by Newton's method, with standard errors from the Hessian.

The data: on which of 23 flights of the space shuttle an O-ring showed distress, and the
temperature at the launch (Dalal, Fowlkes and Hoadley, Journal of the American Statistical
Association 84, 1989, table 1). At the 31 degrees Fahrenheit of the launch of 28 January 1986 the
model expects distress.

    python examples/logistic_regression.py
"""

import numpy as np

import pybackprop as bp

TEMPERATURE = np.array(
    [66, 70, 69, 68, 67, 72, 73, 70, 57, 63, 70, 78, 67, 53, 67, 75, 70, 81, 76, 79, 75, 76, 58],
    dtype=float,
)
DISTRESS = np.array(
    [0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1], dtype=float
)


def negative_log_likelihood(w, temperature, distress):
    """Of w[0] + w[1] * temperature as the log-odds of distress."""
    z = w[0] + w[1] * temperature
    return np.sum(bp.softplus(z) - distress * z)


def main():
    """Run the example."""
    data = TEMPERATURE, DISTRESS
    value_and_grad = bp.value_and_grad(negative_log_likelihood)
    hessian = bp.hessian(negative_log_likelihood)
    w = np.zeros(2)
    print("step   intercept  per degree   -log L   |gradient|")
    for step in range(20):
        value, gradient = value_and_grad(w, *data)
        size = np.linalg.norm(gradient)
        print(f"{step:4d}  {w[0]:10.4f}  {w[1]:10.4f}  {value:7.4f}  {size:11.2e}")
        if size < 1e-8:
            break
        w = w - np.linalg.solve(hessian(w, *data), gradient)
    error = np.sqrt(np.diag(np.linalg.inv(hessian(w, *data))))
    print(f"intercept  {w[0]:8.4f}  standard error {error[0]:.4f}")
    print(f"per degree {w[1]:8.4f}  standard error {error[1]:.4f}")
    print(f"probability of distress at 31 F: {bp.sigmoid(w[0] + w[1] * 31.0):.4f}")


if __name__ == "__main__":
    main()
