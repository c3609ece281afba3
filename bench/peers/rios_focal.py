"""Mean of 5 x 5 pixels with RIOS and scipy, two readers and two compute threads (its fastest mode on two cores).

usage: RIOS_DIR=checkout rios_focal.py SCENE OUT
"""
import os
import sys

sys.path.insert(0, os.environ.get('RIOS_DIR', ''))
import numpy
from osgeo import gdal
from rios import applier
from scipy.ndimage import uniform_filter

gdal.UseExceptions()
scene, out = sys.argv[1:3]
gdal.SetConfigOption('GDAL_NUM_THREADS', '2')

infiles = applier.FilenameAssociations()
outfiles = applier.FilenameAssociations()
infiles.scene = scene
outfiles.mean = out


def mean(info, inputs, outputs):
    outputs.mean = numpy.rint(uniform_filter(inputs.scene[3].astype(numpy.float32), 5)).astype(numpy.uint16)[None]


controls = applier.ApplierControls()
controls.setOutputDriverName('GTiff')
controls.setStatsIgnore(0)
controls.setWindowSize(512, 512)
controls.setOverlap(2)
controls.setOverviewLevels([2, 4, 8, 16, 32])
controls.setOverviewAggregationType('AVERAGE')
controls.setOmitHistogram(True)
controls.setCreationOptions(['TILED=YES', 'BLOCKXSIZE=512', 'BLOCKYSIZE=512', 'COMPRESS=DEFLATE', 'PREDICTOR=2', 'BIGTIFF=IF_SAFER', 'NUM_THREADS=2'])
patience = {name: 100 for name in ('readBufferPopTimeout', 'readBufferInsertTimeout', 'computeBufferInsertTimeout', 'computeBufferPopTimeout')}
controls.setConcurrencyStyle(applier.ConcurrencyStyle(numReadWorkers=2, numComputeWorkers=2, computeWorkerKind=applier.CW_THREADS, **patience))
applier.apply(mean, infiles, outfiles, controls=controls)
