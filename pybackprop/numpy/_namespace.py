"""What the array API standard asks of a namespace: its version, dtypes, devices, capabilities."""

import numpy as np

from ..graph import Value, recording
from ..mutation import separate

VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")
_KINDS = {
    "bool": ("bool",),
    "signed integer": ("int8", "int16", "int32", "int64"),
    "unsigned integer": ("uint8", "uint16", "uint32", "uint64"),
    "real floating": ("float32", "float64"),
    "complex floating": ("complex64", "complex128"),
}
_KINDS["integral"] = _KINDS["signed integer"] + _KINDS["unsigned integer"]
_KINDS["numeric"] = _KINDS["integral"] + _KINDS["real floating"] + _KINDS["complex floating"]


def check_version(api_version):
    """Raise unless a version of the standard is supported.

    Raises
    ------
    ValueError
        With the versions that are.
    """
    if api_version is not None and api_version not in VERSIONS:
        raise ValueError(
            f"version {api_version!r} of the array API standard is not supported; these are: "
            f"{', '.join(VERSIONS)}"
        )


def check_device(device):
    """Raise unless a device is None or "cpu".

    Raises
    ------
    ValueError
        If it is another one.
    """
    if device not in (None, "cpu"):
        raise ValueError(f"Device not understood: there is only 'cpu', and not {device!r}")


class NamespaceInfo:
    """What the namespace can do; see the array API standard, "inspection".

    Examples
    --------
    >>> import pybackprop.numpy as xp
    >>> info = xp.__array_namespace_info__()
    >>> info.default_device()
    'cpu'
    >>> info.dtypes(kind="real floating")
    {'float32': dtype('float32'), 'float64': dtype('float64')}

    References
    ----------
    Consortium for Python Data API Standards (2024). Python array API standard, version 2024.12.
    """

    def capabilities(self):
        """Which parts that are optional are there; within a traced function, fewer."""
        return {
            "boolean indexing": True,
            "data-dependent shapes": not recording(),
            "max dimensions": 32,
        }

    def default_device(self):
        """``"cpu"``."""
        return "cpu"

    def devices(self):
        """``["cpu"]``."""
        return ["cpu"]

    def default_dtypes(self, *, device=None):
        """The dtypes of new arrays by their kind."""
        check_device(device)
        return {
            "real floating": np.dtype(np.float64),
            "complex floating": np.dtype(np.complex128),
            "integral": np.dtype(np.int64),
            "indexing": np.dtype(np.int64),
        }

    def dtypes(self, *, device=None, kind=None):
        """The dtypes of a kind, or of several kinds, or all, by name.

        Raises
        ------
        ValueError
            If the device or the kind is unknown.
        """
        check_device(device)
        kinds = ("bool", "numeric") if kind is None else kind
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        result = {}
        for name in kinds:
            if name not in _KINDS:
                raise ValueError(f"unsupported kind: {name!r}; the kinds are {', '.join(_KINDS)}")
            result.update((dtype, np.dtype(dtype)) for dtype in _KINDS[name])
        return result


def namespace_info():
    """What the namespace can do, as the array API standard's ``__array_namespace_info__``."""
    return NamespaceInfo()


def finfo(type, /):
    """See ``numpy.finfo``; of a dtype or of an array, traced or not."""
    return np.finfo(_dtype_of(type))


def iinfo(type, /):
    """See ``numpy.iinfo``; of a dtype or of an array, traced or not."""
    return np.iinfo(_dtype_of(type))


def _dtype_of(x):
    return x.dtype if isinstance(x, (Value, np.ndarray, np.generic)) else x


def isdtype(dtype, kind):
    """Whether a dtype is of a kind, or one of several kinds or dtypes.

    Parameters
    ----------
    dtype : dtype_like
    kind : str, dtype or tuple of these
        "bool", "signed integer", "unsigned integer", "integral", "real floating",
        "complex floating", "numeric", or a dtype.

    Raises
    ------
    ValueError
        If there is no such kind.
    """
    dtype = np.dtype(dtype)
    for one in kind if isinstance(kind, tuple) else (kind,):
        if isinstance(one, str) and one in _KINDS:
            if dtype.name in _KINDS[one]:
                return True
        elif isinstance(one, str):
            raise ValueError(f"unsupported kind: {one!r}; the kinds are {', '.join(_KINDS)}")
        elif dtype == np.dtype(one):
            return True
    return False


def from_dlpack(x, /, *, device=None, copy=None):
    """See ``numpy.from_dlpack``; a traced array stays one."""
    check_device(device)
    if isinstance(x, Value):
        return separate(x) if copy else x
    result = np.from_dlpack(x)
    return result.copy() if copy else result
