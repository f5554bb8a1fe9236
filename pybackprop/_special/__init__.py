"""The parts of :mod:`pybackprop.special`, by kind of function."""
