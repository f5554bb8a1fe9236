"""The list of problems. A new one is one file here, and one line below."""

from problems.ar3 import Ar3
from problems.ba import Ba
from problems.binomial import Binomial
from problems.black76 import Black76
from problems.chain import Chain
from problems.gmm import Gmm
from problems.hand import Hand
from problems.kalman import Kalman
from problems.kernel import Kernel
from problems.logistic import Logistic
from problems.lstm import Lstm
from problems.mixture import Mixture
from problems.mlp import Mlp
from problems.ode import Ode
from problems.rnn import Rnn
from problems.rosenbrock import Rosenbrock
from problems.schools import Schools
from problems.sir import Sir
from problems.student import Student

PROBLEMS = (
    Rosenbrock(),
    Logistic(),
    Mlp(),
    Chain(),
    Ode(),
    Schools(),
    Binomial(),
    Kalman(),
    Sir(),
    Ar3(),
    Student(),
    Kernel(),
    Mixture(),
    Rnn(),
    Black76(),
    Gmm(),
    Ba(),
    Hand(),
    Lstm(),
)
