"""The chain rule on a network that fits on a napkin.

Two neurons in a row, each a weight, a bias and a ReLU, and half the squared error::

    a1 = relu(w1 x + b1)      a2 = relu(w2 a1 + b2)      J = (a2 - y)^2 / 2

With x = 1, y = 5, w1 = 2, b1 = 0, w2 = 3, b2 = 1 that is a1 = 2, a2 = 7, J = 2. A small change of
w1 changes a1 by as much times x = 1, that changes a2 by as much times w2 = 3, and that changes J
by as much times a2 - y = 2: so dJ/dw1 = 1 * 3 * 2 = 6. ``bp.explain`` shows all of it: the value
and the adjoint of each node, the local derivative of each edge, and the products along the paths.

    python examples/chain_rule.py
"""

import pybackprop as bp


def network(w1, b1, w2, b2, x, y):
    """J, and the outputs of the two neurons."""
    a1 = bp.relu(w1 * x + b1)
    a2 = bp.relu(w2 * a1 + b2)
    return (a2 - y) ** 2 / 2, (a1, a2)


def cost(w1, b1, w2, b2, x, y):
    """J alone."""
    return network(w1, b1, w2, b2, x, y)[0]


def main():
    """Run the example."""
    parameters = {"w1": 2.0, "b1": 0.0, "w2": 3.0, "b2": 1.0}
    data = 1.0, 5.0
    arguments = (*parameters.values(), *data)
    gradient_of = bp.value_and_grad(network, argnums=(0, 1, 2, 3), has_aux=True)
    (j, (a1, a2)), gradient = gradient_of(*arguments)
    print(f"a1 = {a1:g}, a2 = {a2:g}, J = {j:g}")
    for name, derivative in zip(parameters, gradient, strict=True):
        print(f"dJ/d{name} = {derivative:g}")

    print("\nThe graph, with the value and the adjoint of each node, and all paths:\n")
    print(bp.explain(cost, *arguments))

    rate = 0.01
    new = [p - rate * g for p, g in zip(parameters.values(), gradient, strict=True)]
    after = cost(*new, *data)
    print(f"\nOne step with learning rate {rate:g}: J goes from {j:g} to {after:.4g}")


if __name__ == "__main__":
    main()
