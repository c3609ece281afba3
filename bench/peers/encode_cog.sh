#!/usr/bin/env bash
# A ready raster to a COG with average overviews, on two threads. usage: encode_cog.sh RASTER OUT CREATION_OPTION...
set -euo pipefail
raster=$1 out=$2
shift 2
options=()
for option in "$@"; do options+=(-co "$option"); done
gdal_translate -q -of COG -co BLOCKSIZE=512 -co OVERVIEW_RESAMPLING=AVERAGE -co NUM_THREADS=2 -co BIGTIFF=IF_SAFER \
  --config GDAL_NUM_THREADS 2 "${options[@]}" "$raster" "$out"
