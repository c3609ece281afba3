"""Python functions over the tiles of rasters: docs/python.md."""

__version__ = '0.1.0'
