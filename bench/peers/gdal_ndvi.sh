#!/usr/bin/env bash
# NDVI with gdal_calc, then a COG with gdal_translate on two threads. usage: gdal_ndvi.sh SCENE OUT CREATION_OPTION...
set -euo pipefail
scene=$1 out=$2
shift 2
options=()
for option in "$@"; do options+=(-co "$option"); done
raw=$out.raw.tif
trap 'rm -f "$raw" "$raw.aux.xml"' EXIT
/usr/bin/python3 -m osgeo_utils.gdal_calc --quiet --overwrite -A "$scene" --A_band=3 -B "$scene" --B_band=4 --outfile="$raw" --type=Float32 \
  --NoDataValue=-9999 --hideNoData --co TILED=YES --co BLOCKXSIZE=512 --co BLOCKYSIZE=512 --co BIGTIFF=IF_SAFER \
  --calc="where((A+B)==0,-9999,(B.astype(float32)-A)/maximum(B.astype(float32)+A,1))"
gdal_translate -q -stats -of COG -co BLOCKSIZE=512 -co PREDICTOR=3 -co OVERVIEW_RESAMPLING=AVERAGE -co NUM_THREADS=2 \
  --config GDAL_NUM_THREADS 2 "${options[@]}" "$raw" "$out"
