"""NDVI with RIOS, two readers and two compute threads (its fastest mode on two cores).

usage: RIOS_DIR=checkout rios_ndvi.py SCENE OUT CREATION_OPTION...
"""
import os
import sys

sys.path.insert(0, os.environ.get('RIOS_DIR', ''))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../functions'))
from osgeo import gdal
from ndvi import ndvi
from rios import applier

gdal.UseExceptions()
scene, out, options = sys.argv[1], sys.argv[2], sys.argv[3:]
gdal.SetConfigOption('GDAL_NUM_THREADS', '2')

infiles = applier.FilenameAssociations()
outfiles = applier.FilenameAssociations()
infiles.scene = scene
outfiles.out = out


controls = applier.ApplierControls()
controls.setOutputDriverName('GTiff')
controls.setStatsIgnore(-9999)
controls.setWindowSize(512, 512)
controls.setOverviewLevels([2, 4, 8, 16, 32])
controls.setOverviewAggregationType('AVERAGE')
controls.setOmitHistogram(True)
controls.setCreationOptions(['TILED=YES', 'BLOCKXSIZE=512', 'BLOCKYSIZE=512', 'PREDICTOR=3', 'BIGTIFF=IF_SAFER', 'NUM_THREADS=2', *options])
patience = {name: 100 for name in ('readBufferPopTimeout', 'readBufferInsertTimeout', 'computeBufferInsertTimeout', 'computeBufferPopTimeout')}
controls.setConcurrencyStyle(applier.ConcurrencyStyle(numReadWorkers=2, numComputeWorkers=2, computeWorkerKind=applier.CW_THREADS, **patience))
applier.apply(ndvi, infiles, outfiles, controls=controls)
