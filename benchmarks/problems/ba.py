"""ADBench's bundle adjustment: for each observation a block of 2 x 15 derivatives.

The error of one observation is differentiated by its camera, point and weight, and mapped over the
observations.
"""

import numpy as np

from problems.adbench import read_numbers, read_reference
from problems.base import Case, Problem

CAMERA = 11


def rotate(xp, rotation, x):
    """Rodrigues's formula; the limits of its coefficients at no rotation."""
    square = xp.sum(rotation * rotation)
    safe = xp.where(square > 0.0, square, 1.0)
    angle = xp.sqrt(safe)
    cosine = xp.where(square > 0.0, xp.cos(angle), 1.0)
    sine = xp.where(square > 0.0, xp.sin(angle) / angle, 1.0)
    rest = xp.where(square > 0.0, (1.0 - cosine) / safe, 0.5)
    a, b, c = rotation[0], rotation[1], rotation[2]
    cross = xp.stack([b * x[2] - c * x[1], c * x[0] - a * x[2], a * x[1] - b * x[0]])
    return x * cosine + cross * sine + rotation * (xp.sum(rotation * x) * rest)


class Ba(Problem):
    """Errors (p, 2) of observations, their blocks, and the errors of the weights."""

    name = "ba"
    sizes = ({"file": "perturbed"}, {"file": "ba1"})
    on_request = ({"file": "ba2"}, {"file": "ba5"}, {"file": "ba10"})
    c_source = "ba.c"
    kind = "program"

    def case(self, file):
        """Case of one data file, or of the small one whose observations all differ."""
        if file == "perturbed":
            known = read_reference("ba_perturbed")
            x = known["cams"], known["X"], known["w"]
            features, cameras, points = known["feats"], known["cam_idx"], known["pt_idx"]
        else:
            numbers = read_numbers(f"ba/{file}.txt")
            n, m, p = numbers.whole(3)
            camera, point, weight, feature = (numbers.take(k) for k in (CAMERA, 3, 1, 2))
            x = np.tile(camera, (n, 1)), np.tile(point, (m, 1)), np.tile(weight, p)
            features = np.tile(feature, (p, 1))
            cameras, points = np.arange(p) % n, np.arange(p) % m
        p = len(features)
        data = features, cameras.astype(np.int64), points.astype(np.int64)
        blocks = {
            "by_camera": np.empty((p, 2, CAMERA)),
            "by_point": np.empty((p, 2, 3)),
            "by_weight": np.empty((p, 2)),
            "weight_error": np.empty(p),
            "weight_slope": np.empty(p),
        }
        tags = frozenset({"ba"})
        case = Case(
            self, f"ba {file}", x, data, (p,), 1e-11, tags, value_shape=(p, 2), derivative=blocks
        )
        case.reference_name = f"ba_{file}"
        return case

    def residual(self, ops):
        """The error of one observation."""
        xp = ops.np

        def residual(camera, point, weight, feature):
            seen = rotate(xp, camera[0:3], point - camera[3:6])
            flat = seen[0:2] / seen[2]
            square = xp.sum(flat * flat)
            bent = flat * (1.0 + camera[9] * square + camera[10] * square**2)
            return weight * (bent * camera[6] + camera[7:9] - feature)

        return residual

    def objective(self, ops):
        """All errors."""
        residuals = ops.vmap(self.residual(ops))

        def ba(x, features, cameras, points):
            return residuals(x[0][cameras], x[1][points], x[2], features)

        return ba

    def program(self, ops):
        """All errors and blocks."""
        residual = self.residual(ops)

        def both(*args):
            return residual(*args), ops.jacobian(residual, (0, 1, 2))(*args)

        errors_and_blocks = ops.vmap(both)

        def ba(x, features, cameras, points):
            w = x[2]
            errors, blocks = errors_and_blocks(x[0][cameras], x[1][points], w, features)
            return errors, {
                "by_camera": blocks[0],
                "by_point": blocks[1],
                "by_weight": blocks[2],
                "weight_error": 1.0 - w * w,
                "weight_slope": -2.0 * w,
            }

        return ba

    def call_casadi(self, ops, case):
        """A function of one observation, mapped over all; the gathers are NumPy's."""
        sizes = {"camera": CAMERA, "point": 3, "weight": 1, "feature": 2}
        vectors = [ops.casadi.SX.sym(name, size) for name, size in sizes.items()]
        error = self.residual(ops)(*vectors)
        blocks = [ops.casadi.densify(ops.casadi.jacobian(error, v)).T for v in vectors[:3]]
        w = vectors[2]
        outputs = [error, *blocks, 1.0 - w * w, -2.0 * w]
        function = ops.casadi.Function("ba", vectors, outputs).map(case.dims[0])
        value, derivative = case.blank()
        (cameras, points, weights), (features, camera_of, point_of) = case.x, case.data
        seen, at = cameras[camera_of], points[point_of]
        names = ("by_camera", "by_point", "by_weight", "weight_error", "weight_slope")
        results = [value, *(derivative[name] for name in names)]
        trigger = ops.bind(function, [seen, at, weights, features], results)

        def call():
            np.take(cameras, camera_of, axis=0, out=seen, mode="clip")
            np.take(points, point_of, axis=0, out=at, mode="clip")
            trigger()
            return value, derivative

        return call

    def reference(self, case):
        """From ADBench's reference; one block for all observations where they are copies."""
        known = read_reference(case.reference_name)
        p = case.value_shape[0]
        f, j = known["F"], known["J"]
        if f.size == 3:
            errors, weight_error = np.tile(f[:2], (p, 1)), np.full(p, f[2])
            block, slope = np.tile(j[:30].reshape(2, 15), (p, 1, 1)), np.full(p, j[30])
        else:
            errors, weight_error = f[: 2 * p].reshape(p, 2), f[2 * p :]
            block, slope = j[: 30 * p].reshape(p, 2, 15), j[30 * p :]
        return errors, {
            "by_camera": block[:, :, :CAMERA],
            "by_point": block[:, :, CAMERA : CAMERA + 3],
            "by_weight": block[:, :, CAMERA + 3],
            "weight_error": weight_error,
            "weight_slope": slope,
        }
