"""ADBench's LSTM: log-likelihood of a text of bits, one scan over the characters.

The gates are diagonal: every unit has its own weight and bias. The forget and output gates see
the layer's input, the input gate and the change see its own last output.
"""

from problems.adbench import read_numbers, read_reference, split
from problems.base import Case, Problem


class Lstm(Problem):
    """Loss by x = (main (l, 2, 4, b), extra (3, b))."""

    name = "lstm"
    sizes = ({"file": "l2_c1024"}, {"file": "l4_c1024"})
    on_request = ({"file": "l2_c4096"},)
    c_source = "lstm.c"

    def case(self, file):
        """Case of one data file."""
        numbers = read_numbers(f"lstm/{file}.txt.gz")
        layers, length, b = numbers.whole(3)
        x = (numbers.take(layers, 2, 4, b), numbers.take(3, b))
        data = (numbers.take(layers, 2, b), numbers.take(length, b))
        label = f"lstm {file.replace('_', ' ')}"
        case = Case(self, label, x, data, (layers, length, b), 1e-11, frozenset({"lstm"}))
        case.reference_name = f"lstm_{file}"
        return case

    def objective(self, ops):
        """As ADBench defines it."""
        xp = ops.np

        def cell(weight, bias, hidden, memory, below):
            forget = ops.sigmoid(below * weight[0] + bias[0])
            enter = ops.sigmoid(hidden * weight[1] + bias[1])
            leave = ops.sigmoid(below * weight[2] + bias[2])
            change = xp.tanh(hidden * weight[3] + bias[3])
            memory = memory * forget + enter * change
            return leave * xp.tanh(memory), memory

        def lstm(x, state, sequence):
            main, extra = x
            layers = ops.shape(state)[0]
            length, b = ops.shape(sequence)

            def step(carry, now):
                *states, total = carry
                below = now[0] * extra[0]
                after = []
                for i in range(layers):
                    h, c = cell(main[i, 0], main[i, 1], states[2 * i], states[2 * i + 1], below)
                    after += [h, c]
                    below = h
                guess = below * extra[1] + extra[2]
                score = guess - xp.log(xp.sum(xp.exp(guess)) + 2.0)
                return (*after, total + xp.sum(now[1] * score)), None

            start = [state[i, j] for i in range(layers) for j in range(2)]
            carry, _ = ops.scan(step, (*start, 0.0), (sequence[:-1], sequence[1:]))
            return -carry[-1] / ((length - 1) * b)

        return lstm

    def objective_casadi(self, ops):
        """Left out."""
        ops.unsupported("unrolled it is a graph of a million nodes")

    def reference(self, case):
        """From ADBench's reference."""
        known = read_reference(case.reference_name)
        return known["F"][()], tuple(split(known["J"], case.x))
