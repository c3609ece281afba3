"""What goes wrong."""


class Refused(Exception):
    """The request can't be done, for a reason that we know better than GDAL."""


class GdalFailed(Exception):
    """A function of GDAL failed; the message is GDAL's own."""
