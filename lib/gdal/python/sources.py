"""Rasters that stay open, with what warping them needs."""
import collections
import json
import re

from osgeo import gdal

from errors import Refused
from grid import ApproximateTransformer, Transformer
from opening import RASTER_DRIVERS, open_dataset, subdataset_hint
from samples import HAS_INT8, is_signed_byte
from wide_integers import is_wide, wide_integers, wide_nodata


class Cache:
    """The things used last, at most so many. What falls out is closed."""

    def __init__(self, most):
        self.most = most
        self.things = collections.OrderedDict()

    def get(self, key, make):
        found = self.things.pop(key, None)
        if found is None:
            found = make()
        self.things[key] = found
        while len(self.things) > self.most:
            self.things.popitem(last=False)[1].close()
        return found

    def clear(self):
        while self.things:
            self.things.popitem()[1].close()


def key_of(*parts):
    return json.dumps(parts, sort_keys=True)


class RasterSource:
    """A raster, open, with what warping it needs."""

    def __init__(self, source):
        self.source = source
        # Its caller has looked into it if it is a VRT.
        self.dataset = open_dataset(source, gdal.OF_RASTER, RASTER_DRIVERS + ['VRT'])
        if self.dataset.RasterCount == 0:
            raise Refused('it has no bands' + subdataset_hint(self.dataset))
        self.views = {}
        self.transformers = {}
        self.operations = {}
        self.scales = {}
        self.shadow = None

    def close(self):
        for operation in self.operations.values():
            operation.close()
        for transformer in self.transformers.values():
            transformer.close()
        self.operations = {}
        self.transformers = {}
        self.views = {}
        self.shadow = None
        self.dataset = None

    def band(self, index):
        if not 1 <= index <= self.dataset.RasterCount:
            raise Refused('it has no band %d: it has %d' % (index, self.dataset.RasterCount))
        return self.dataset.GetRasterBand(index)

    def view(self, dtype, nodata=None):
        """The dataset whose samples GDAL understands by itself, and whether they are in excess of 128."""
        excess = dtype == 'int8' and not HAS_INT8
        every = [self.dataset.GetRasterBand(index + 1) for index in range(self.dataset.RasterCount)]
        signed = [is_signed_byte(band) for band in every]
        wide = [band for band in every if is_wide(band)]
        expected = frozenset(wide_nodata(band, nodata) for band in wide) - {None}
        wide_integers.expect(expected)
        if wide:
            if excess or any(signed):
                raise Refused('it has samples of type int8 and integers of 64 bits, which cannot be read together')
            # What is beyond 2^53 and nodata for one is none for another, and GDAL keeps what it has read of a dataset.
            if expected not in self.views:
                self.views[expected] = wide_integers.view(self.dataset, len(wide))
            return self.views[expected], False
        if not excess and not any(signed):
            return self.dataset, False
        if excess not in self.views:
            self.views[excess] = signed_view(self.dataset, signed, excess)
        return self.views[excess], excess

    def transformer(self, threshold):
        if threshold not in self.transformers:
            if threshold == 0:
                self.transformers[0] = Transformer(self.dataset)
            else:
                self.transformers[threshold] = ApproximateTransformer(self.transformer(0), threshold)
        return self.transformers[threshold]


def signed_view(dataset, signed, excess):
    """A VRT over the dataset in which signed bytes are numbers with a sign (int16), or bytes in excess of 128."""
    made = gdal.Translate('', dataset, format='VRT')
    xml = made.GetMetadata('xml:VRT')[0]
    bands = iter(signed)

    def change(match):
        text = match.group(0)
        negative = next(bands)
        text = re.sub(r'<NoDataValue>[^<]*</NoDataValue>', '', text)
        text = re.sub(r'<Metadata domain="IMAGE_STRUCTURE">.*?</Metadata>', '', text, flags=re.S)
        if not excess and not negative:
            return text
        text = re.sub(r'dataType="\w+"', 'dataType="%s"' % ('Byte' if excess else 'Int16'), text, count=1)
        if excess:
            rule = '<LUT>0:128,127:255,128:0,255:127</LUT>' if negative else '<ScaleOffset>128</ScaleOffset><ScaleRatio>1</ScaleRatio>'
        else:
            rule = '<LUT>0:0,127:127,128:-128,255:-1</LUT>'
        return re.sub(r'<(Simple|Complex)Source(.*?)>(.*?)</(Simple|Complex)Source>', r'<ComplexSource\2>\3%s</ComplexSource>' % rule, text, flags=re.S)

    # The band of a mask has no number and stays.
    xml = re.sub(r'<VRTRasterBand [^>]*band="\d+".*?</VRTRasterBand>', change, xml, flags=re.S)
    return gdal.Open(xml)


rasters = Cache(64)


def raster(source):
    return rasters.get(key_of(source), lambda: RasterSource(source))
