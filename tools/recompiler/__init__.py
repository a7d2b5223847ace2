"""recompiler: the formats (trailer, key store, manifest) and the commands that make and check them."""

from recompiler.errors import Error

__version__ = "0.1.0"
__all__ = ["Error", "__version__"]
