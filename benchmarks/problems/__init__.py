"""The list of problems. A new one is one file here, and one line below."""

from problems.chain import Chain
from problems.logistic import Logistic
from problems.mlp import Mlp
from problems.ode import Ode
from problems.rosenbrock import Rosenbrock

PROBLEMS = (Rosenbrock(), Logistic(), Mlp(), Chain(), Ode())
