"""The exceptions that a script may catch: RIOS's names, and one more."""


class RiosError(Exception):
    """The base of all others."""


class FileOpenError(RiosError):
    """A file can't be opened, read or written."""


class ImageOpenError(FileOpenError):
    """A raster can't be opened, read or written."""


class ParameterError(RiosError):
    """An argument has a value that it can't have."""


class GDALLayerNumberError(RiosError):
    """There is no band of this number."""


class ResampleNeededError(RiosError):
    """The inputs are on different pixel grids, and none was named as the reference."""


class OutsideImageBoundsError(RiosError):
    """A part of a raster was asked for that it doesn't have."""


class GdalWarpError(RiosError):
    """An input could not be warped."""


class ThematicError(RiosError):
    """An output can't be thematic."""


class ProcessCancelledError(RiosError):
    """The run was stopped by its user."""


class KeysMismatch(RiosError):
    """Names are not those that were expected."""


class MismatchedListLengthsError(RiosError):
    """Lists are not of the same length."""


class AttributeTableColumnError(RiosError):
    """An attribute table has no such column."""


class AttributeTableTypeError(RiosError):
    """A column is of another type."""


class ArrayShapeError(RiosError):
    """An array has another shape than its tile."""


class TypeConversionError(RiosError):
    """There is no conversion between two types."""


class VectorAttributeError(RiosError):
    """Features have no such attribute."""


class VectorGeometryTypeError(RiosError):
    """Features are of another kind."""


class VectorProjectionError(RiosError):
    """Features are in another CRS."""


class VectorRasterizationError(RiosError):
    """Features could not be burnt."""


class VectorLayerError(RiosError):
    """A file has no such layer."""


class WrongControlsObject(RiosError):
    """What was given as controls is none."""


class RatBlockLengthError(RiosError):
    """Of ratapplier, which is not here."""


class RatMismatchError(RiosError):
    """Of ratapplier, which is not here."""


class IntersectionError(RiosError):
    """The inputs have no part in common."""


class JobMgrError(RiosError):
    """Of the jobs of RIOS 1."""


class ColorTableGenerationError(RiosError):
    """A colour table can't be made."""


class PermissionError(RiosError):
    """Files may not be used."""


class TimeoutError(RiosError):
    """Something took too long."""


class UnavailableError(RiosError):
    """Something that is needed is not there."""


class WorkerExceptionError(RiosError):
    """
    The function failed on a tile. The message has its traceback.

    `tile` is (column, row), `record` what tilefan has written down about it; both None where there is nothing.
    """

    tile = None
    record = None


class SinglePassActionsError(RiosError):
    """Statistics or overviews can't be made along with the pixels."""


class ECSError(RiosError):
    """AWS refused something."""


class UnsupportedError(RiosError, NotImplementedError):
    """RIOS can do it, and tilefan can't, or not in this way: the message says why, and what to do instead."""


class RunError(RiosError):
    """The run failed, and it was neither the function nor the inputs: the message is tilefan's own."""
