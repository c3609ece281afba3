"""GDAL's programs as oracles."""
import subprocess


def run(arguments):
    done = subprocess.run(arguments, capture_output=True, text=True)
    if arguments[0] == 'gdalwarp' and 'Cannot find coordinate operations' in done.stderr and '-to' not in arguments:
        # From a CRS to itself, beyond the area that PROJ knows for it or for a turned raster: told to leave coordinates as they are, gdalwarp does it.
        run(arguments[:1] + ['-to', 'INSERT_CENTER_LONG=NO'] + arguments[1:])
    elif done.returncode != 0:
        raise RuntimeError(' '.join(arguments) + ': ' + done.stderr)
