"""NumPy with the derivative written by hand: what a careful user has without any library."""

from adapters.base import Adapter, Entry, Unsupported


class NumpyByHand(Adapter):
    """The problem's own ``by_hand``, in the dtype of the case."""

    name = "numpy"
    packages = ("numpy",)

    def entries(self, case):
        """One row."""
        if case.problem.by_hand is None:
            raise Unsupported("not derived by hand in NumPy")
        x, data, by_hand = case.x, case.data, case.problem.by_hand
        return [Entry("numpy by hand", lambda: by_hand(x, *data))]
