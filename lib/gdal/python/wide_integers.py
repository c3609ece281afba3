"""
Integers of 64 bits as float64.

GDAL would round them without a word, here as it warps. So it is given a view in which they are float64 already, made by a function of ours, which is called with the samples
wherever GDAL reads some: up to 2^53 float64 holds every integer, and beyond it only nodata, compared as an integer, may lie.
"""
import array
import ctypes
import math
import re

from osgeo import gdal

from errors import GdalFailed, Refused
from gdal_c import PIXEL_FUNCTION, lib

LARGEST = 2 ** 53
# GDAL's name to the letter that array knows the type by, and its limits. GDAL has them from 3.5 on.
WIDE = {'Int64': ('q', -2 ** 63, 2 ** 63 - 1), 'UInt64': ('Q', 0, 2 ** 64 - 1)}
FUNCTION = 'tilefan_wide_integers'
SUCCESS, FAILURE = 0, 3


def is_wide(band):
    return gdal.GetDataTypeName(band.DataType) in WIDE


def wide_nodata(band, nodata):
    """The integer beyond 2^53 that a nodata value means, which came as float64; None where it is not beyond, or no value of the type."""
    if nodata is None or not math.isfinite(nodata) or abs(nodata) <= LARGEST:
        return None
    _, least, most = WIDE[gdal.GetDataTypeName(band.DataType)]
    own = band.GetNoDataValue()
    if isinstance(own, int) and float(own) == float(nodata):
        return own
    wanted = int(float(nodata))
    # The float64 of the largest integer is one more than it.
    return wanted if least <= wanted <= most else most if float(most) == float(nodata) else None


class WideIntegers:
    """What the function knows and finds. One request is answered after another, so one of it does."""

    def __init__(self):
        self.nodata = frozenset()
        self.fault = None
        self.function = PIXEL_FUNCTION(self.called)
        self.registered = False

    def expect(self, nodata):
        self.nodata = nodata
        self.fault = None

    def check(self):
        """Raises what the function has found since `expect`."""
        if self.fault is not None:
            raise self.fault

    def called(self, sources, _, *place):
        # What is raised here would be printed, and count as success.
        try:
            self.convert(sources[0], *place)
        except Exception as error:
            self.fault = error
            return FAILURE
        return SUCCESS

    def convert(self, source, target, columns, rows, source_type, target_type, pixel_space, line_space):
        samples = array.array(WIDE[gdal.GetDataTypeName(source_type)][0])
        samples.frombytes((ctypes.c_char * (columns * rows * 8)).from_address(source))
        if len(samples) > 0 and (min(samples) < -LARGEST or max(samples) > LARGEST):
            found = next((sample for sample in samples if abs(sample) > LARGEST and sample not in self.nodata), None)
            if found is not None:
                nodata = ''.join(', or nodata, %d' % value for value in sorted(self.nodata))
                raise Refused('it has the sample %d; integers of 64 bits are read as float64: wanted one from -%d (2^53) to %d (2^53)%s' % (found, LARGEST, LARGEST, nodata))
        for row in range(rows):
            lib.GDALCopyWords64(source + row * columns * 8, source_type, 8, target + row * line_space, target_type, pixel_space, columns)

    def view(self, dataset, bands):
        """A VRT over the dataset in which the bands of such integers, of which there are so many, are float64."""
        if not self.registered:
            lib.GDALAddDerivedBandPixelFunc(FUNCTION.encode(), self.function)
            self.registered = True
        # Without a nodata value GDAL makes plain sources; its caller brings one.
        xml = gdal.Translate('', dataset, format='VRT', noData='none').GetMetadata('xml:VRT')[0]
        derived = r'<VRTRasterBand dataType="Float64" subClass="VRTDerivedRasterBand"\2><PixelFunctionType>%s</PixelFunctionType><SourceTransferType>\1</SourceTransferType>' % FUNCTION
        # The band of a mask has no number and stays.
        xml, found = re.subn(r'<VRTRasterBand dataType="(U?Int64)"([^>]* band="\d+"[^>]*)>', derived, xml)
        if found != bands:
            raise GdalFailed('it wrote a VRT in which %d of %d bands have integers of 64 bits' % (found, bands))
        return gdal.Open(xml)


wide_integers = WideIntegers()
