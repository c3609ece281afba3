"""Names of footprints, and the defaults that RIOS takes from the environment."""
import os

INTERSECTION = 0
UNION = 1
BOUNDS_FROM_REFERENCE = 2

DEFAULTDRIVERNAME = os.getenv('RIOS_DFLT_DRIVER', 'GTiff')
_OPTIONS = os.getenv('RIOS_DFLT_DRIVEROPTIONS')
DEFAULTCREATIONOPTIONS = [] if _OPTIONS in (None, 'None') else _OPTIONS.split()

# Creation options by driver; those of the environment are RIOS_DFLT_CREOPT_<driver>.
dfltDriverOptions = {name[len('RIOS_DFLT_CREOPT_'):]: value.split() for name, value in os.environ.items() if name.startswith('RIOS_DFLT_CREOPT_')}
if _OPTIONS is not None:
    dfltDriverOptions[DEFAULTDRIVERNAME] = DEFAULTCREATIONOPTIONS

DEFAULTFOOTPRINT = int(os.getenv('RIOS_DFLT_FOOTPRINT', INTERSECTION))
DEFAULTOVERLAP = int(os.getenv('RIOS_DFLT_OVERLAP', 0))

# Larger than RIOS's 256: a tile is read and written by itself here.
DEFAULTWINDOWSIZE = 1024
DEFAULTWINDOWXSIZE = int(os.getenv('RIOS_DFLT_BLOCKXSIZE', DEFAULTWINDOWSIZE))
DEFAULTWINDOWYSIZE = int(os.getenv('RIOS_DFLT_BLOCKYSIZE', DEFAULTWINDOWSIZE))

DEFAULT_OVERVIEWAGGREGRATIONTYPE = os.getenv('RIOS_DFLT_OVERVIEWAGGTYPE', 'NEAREST')
_LEVELS = os.getenv('RIOS_DFLT_OVERVIEWLEVELS')
DEFAULT_OVERVIEWLEVELS = [4, 8, 16, 32, 64, 128, 256, 512] if _LEVELS is None else [int(level) for level in _LEVELS.split(',')]
DEFAULT_MINOVERVIEWDIM = int(os.getenv('RIOS_DFLT_MINOVERLEVELDIM', 128))
DEFAULT_AUTOCOLORTABLETYPE = os.getenv('RIOS_DFLT_AUTOCOLORTABLETYPE')
DEFAULT_RESAMPLEMETHOD = 'near'
