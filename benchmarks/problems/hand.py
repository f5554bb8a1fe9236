"""ADBench's hand tracking: a skinned mesh of 22 bones posed by 26 parameters, and its Jacobian.

Simple: each observed point corresponds to a vertex. Complicated: to a place in a triangle, given
by two coordinates u, whose derivatives share two columns, as no point depends on the u of another.
"""

import numpy as np

from problems.adbench import read_lines, read_numbers, read_reference
from problems.base import Case, Problem

BONES, FINGERS = 22, 5

# Of each bone: the wrist, four of each finger, the forearm.
PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19, 0)


def read_model(name):
    """Relative transforms, inverse absolute transforms, vertices, weights, triangles."""
    bones = [line.split(":") for line in read_lines(f"hand/{name}/bones.txt.gz")]
    assert tuple(int(bone[1]) for bone in bones) == PARENTS
    numbers = np.array([bone[2:34] for bone in bones], np.float64).reshape(-1, 2, 4, 4)
    vertices, weights = [], []
    for line in read_lines(f"hand/{name}/vertices.txt.gz"):
        fields = line.split(":")
        vertices.append([float(field) for field in fields[:3]] + [1.0])
        row = np.zeros(BONES)
        for i in range(int(fields[8])):
            row[int(fields[9 + 2 * i])] = float(fields[10 + 2 * i])
        weights.append(row)
    triangles = [line.split(":")[:3] for line in read_lines(f"hand/{name}/triangles.txt.gz")]
    return {
        "relative": numbers[:, 0].copy(),
        "inverse": numbers[:, 1].copy(),
        "vertices": np.array(vertices),
        "weights": np.array(weights),
        "triangles": np.array(triangles, np.int64),
    }


def angle_columns():
    """For each bone the three parameters that turn it about x, y, z; 26 is a zero."""
    columns = np.full((BONES, 3), 26)
    parameter, bone = 6, 2
    for _ in range(FINGERS):
        for joint in range(3):
            columns[bone, 0] = parameter
            parameter += 1
            if joint == 0:
                columns[bone, 2] = parameter
                parameter += 1
            bone += 1
        bone += 1
    return columns


class Hand(Problem):
    """Distances (N, 3) of points from the posed mesh, and their Jacobian (N, 3, 26 or 28)."""

    name = "hand"
    sizes = (
        {"file": "simple_small_100"},
        {"file": "simple_small_192"},
        {"file": "simple_big_800"},
        {"file": "complicated_small_192"},
    )
    on_request = (
        {"file": "simple_small_800"},
        {"file": "complicated_small_100"},
        {"file": "complicated_small_800"},
    )
    c_source = "hand.c"
    kind = "program"

    def case(self, file):
        """Case of one data file; the parameters are the pose, before it the shared u."""
        style, model_name, _ = file.split("_")
        simple = style == "simple"
        model = read_model(f"model_{model_name}")
        numbers = read_numbers(f"hand/{file}.txt.gz")
        count, _ = numbers.whole(2)
        rows = numbers.take(count, 4)
        match = rows[:, 0].astype(np.int64)
        u = np.array([[1.0, 0.0, 0.0]])
        if not simple:
            u = numbers.take(count, 2)
        x = numbers.take(26)
        if simple:
            corners = match[:, None]
        else:
            corners = model["triangles"][match]
            x = np.concatenate([np.zeros(2), x])
        data = (
            model["relative"],
            model["inverse"],
            model["weights"][corners],
            model["vertices"][corners],
            rows[:, 1:].copy(),
        )
        if not simple:
            data += (u,)
        problem = Hand()
        problem.model = data[:4]
        case = Case(
            problem,
            f"hand {file.replace('_', ' ')}",
            x,
            data,
            (count, int(simple), *PARENTS),
            1e-11,
            frozenset({"hand"}),
            value_shape=(count, 3),
            derivative=np.empty((count, 3, len(x))),
        )
        case.reference_name = f"hand_{file}"
        return case

    def data_for(self, ops, case):
        """The observations: the model is known when the objective is written."""
        return case.data[4:]

    def objective(self, ops):
        """As ADBench defines it, on the vertices that are observed.

        Vertices times weights are a matrix, of which nine in ten elements are zero, by which the
        bones' transforms are multiplied; these are turned first, as they are fewer than vertices.
        """
        xp = ops.np
        relative, inverse, weights, vertices = self.model
        count, corners = weights.shape[:2]
        placed = weights[..., None] * vertices[:, :, None, :]
        placed = placed.swapaxes(0, 1).reshape(corners * count, 4 * BONES)
        relative, inverse, placed = map(
            getattr(xp, "asarray", np.asarray), (relative, inverse, placed)
        )

        def hand(x, points, u=None):
            theta = x if u is None else x[2:]
            transforms = xp.swapaxes(pose(xp, theta, relative) @ inverse, 1, 2)[:, :, :3]
            turned = transforms @ turn(xp, theta[0:3]).T
            mesh = placed @ xp.reshape(turned, (4 * BONES, 3))
            if u is not None:
                a, b, c = (mesh[k * count : (k + 1) * count] for k in range(3))
                first, second = u[:, 0:1] + x[0], u[:, 1:2] + x[1]
                mesh = a * first + b * second + c * (1.0 - first - second)
            return points - (mesh + theta[3:6])

        return hand

    def program(self, ops):
        """Distances and Jacobian."""
        objective = self.objective_for(ops)
        jacobian = ops.jacobian(objective)

        def hand(*args):
            return objective(*args), jacobian(*args)

        return hand

    def call_casadi(self, ops, case):
        """The model as constants, which folds all that it can, in a graph of scalars."""
        ca = ops.casadi
        x = ca.SX.sym("x", len(case.x))
        theta = x[len(case.x) - 26 :]
        relative, inverse, weights, vertices, points = case.data[:5]
        absolute, ready = [], []
        for bone, parent in enumerate(PARENTS):
            posed = relative[bone] @ bone_turn(ca, theta, angle_columns()[bone])
            absolute.append(posed if parent < 0 else absolute[parent] @ posed)
            ready.append((absolute[bone] @ inverse[bone])[:3, :])
        turned, rows = rotation_casadi(ca, theta[:3]), []
        for i, point in enumerate(points):
            places = [1.0]
            if len(case.data) > 5:
                first, second = (case.data[5][i, k] + x[k] for k in range(2))
                places = [first, second, 1.0 - first - second]
            mesh = sum(
                place * weights[i, corner, bone] * (ready[bone] @ vertices[i, corner])
                for corner, place in enumerate(places)
                for bone in np.flatnonzero(weights[i, corner])
            )
            rows.append(point - (turned @ mesh + theta[3:6]))
        distances = ca.vertcat(*rows)
        # Transposed: CasADi's matrices are column-major.
        jacobian = ca.densify(ca.jacobian(distances, x)).T
        function = ca.Function("hand", [x], [distances, jacobian])
        value, derivative = case.blank()
        trigger = ops.bind(function, [case.x], [value, derivative])

        def call():
            trigger()
            return value, derivative

        return call

    def reference(self, case):
        """From ADBench's reference."""
        known = read_reference(case.reference_name)
        count = case.value_shape[0]
        return known["F"].reshape(count, 3), known["J"].reshape(count, 3, -1)


def rows_of(xp, rows):
    """Stack a list of lists of arrays into matrices along the last two axes."""
    return xp.stack([xp.stack(row, -1) for row in rows], -2)


def turn(xp, axis_angle):
    """Rotation matrix of an axis times an angle."""
    angle = xp.sqrt(xp.sum(axis_angle**2))
    x, y, z = axis_angle[0] / angle, axis_angle[1] / angle, axis_angle[2] / angle
    s, c = xp.sin(angle), xp.cos(angle)
    d = 1.0 - c
    return rows_of(
        xp,
        [
            [x * x * d + c, x * y * d - z * s, x * z * d + y * s],
            [x * y * d + z * s, y * y * d + c, y * z * d - x * s],
            [x * z * d - y * s, y * z * d + x * s, z * z * d + c],
        ],
    )


def pose(xp, theta, relative):
    """Absolute transforms (22, 4, 4) of the bones, each one's turned by its three angles."""
    angles = xp.concatenate([theta, xp.zeros((1,), dtype=theta.dtype)])[angle_columns()]
    c, s = xp.cos(angles), xp.sin(angles)
    cx, cy, cz = c[:, 0], c[:, 1], c[:, 2]
    sx, sy, sz = s[:, 0], s[:, 1], s[:, 2]
    turns = rows_of(
        xp,
        [
            [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
            [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
            [-sy, cy * sx, cy * cx],
        ],
    )
    posed = xp.concatenate([relative[:, :, :3] @ turns, relative[:, :, 3:]], -1)
    absolute = []
    for bone, parent in enumerate(PARENTS):
        absolute.append(posed[bone] if parent < 0 else absolute[parent] @ posed[bone])
    return xp.stack(absolute)


def bone_turn(ca, theta, columns):
    """CasADi's 4 x 4 transform of a bone: about x, then about z; angles of column 26 are zero."""
    x, z = (theta[int(columns[axis])] if columns[axis] < 26 else 0.0 for axis in (0, 2))
    about_x, about_z = ca.SX.eye(4), ca.SX.eye(4)
    about_x[1:3, 1:3] = ca.blockcat([[ca.cos(x), -ca.sin(x)], [ca.sin(x), ca.cos(x)]])
    about_z[0:2, 0:2] = ca.blockcat([[ca.cos(z), -ca.sin(z)], [ca.sin(z), ca.cos(z)]])
    return about_z @ about_x


def rotation_casadi(ca, axis_angle):
    """CasADi's rotation matrix of an axis times an angle."""
    angle = ca.norm_2(axis_angle)
    axis = axis_angle / angle
    turned = ca.cos(angle) * ca.SX.eye(3) + ca.sin(angle) * ca.skew(axis)
    return turned + (1.0 - ca.cos(angle)) * (axis @ axis.T)
