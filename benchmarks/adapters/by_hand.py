"""NumPy with the derivative written by hand: what a careful user has without any library."""

from adapters.base import Adapter, Entry


class NumpyByHand(Adapter):
    """The problem's own ``by_hand``, in the dtype of the case."""

    name = "numpy"
    packages = ("numpy",)

    def entries(self, case):
        """One row."""
        x, data, by_hand = case.x, case.data, case.problem.by_hand
        return [Entry("numpy by hand", lambda: by_hand(x, *data))]
