#!/usr/bin/env bash
# Scenes into one raster in Web Mercator with gdalwarp, then a COG with gdal_translate, on two threads each.
# usage: warp_mosaic.sh OUT ERROR_THRESHOLD RESOLUTION "XMIN YMIN XMAX YMAX" SCENE...
set -euo pipefail
out=$1 threshold=$2 resolution=$3 bounds=$4
shift 4
raw=$out.raw.tif
trap 'rm -f "$raw"' EXIT
# Without a scale gdalwarp finds a width of kernels for each of its chunks, others where a scene covers little of one: then pixels depend on -wm.
# shellcheck disable=SC2086
gdalwarp -q -overwrite -t_srs EPSG:3857 -tr "$resolution" "$resolution" -te $bounds -r bilinear -et "$threshold" -ovr NONE -multi -wo NUM_THREADS=2 -wo XSCALE=1 -wo YSCALE=1 -wm 500 \
  -dstnodata 0 -co TILED=YES -co BLOCKXSIZE=512 -co BLOCKYSIZE=512 -co BIGTIFF=IF_SAFER --config GDAL_NUM_THREADS 2 "$@" "$raw"
gdal_translate -q -of COG -co BLOCKSIZE=512 -co COMPRESS=DEFLATE -co PREDICTOR=2 -co OVERVIEW_RESAMPLING=AVERAGE -co NUM_THREADS=2 -co BIGTIFF=IF_SAFER \
  --config GDAL_NUM_THREADS 2 "$raw" "$out"
