"""
Prints, as JSON, which geographic CRS lies under each of EPSG's projected and geographic CRSs, as ranges of codes [first, last, base]; and by how many metres, rounded, PROJ moves
the coordinates of each of those against WGS 84, at most, where it is used: the source of lib/tiff/datums.generated.ts. Needs osgeo.
"""
import json
import math

from osgeo import osr

osr.UseExceptions()


def crs_of(code):
    made = osr.SpatialReference()
    made.ImportFromEPSG(code)
    made.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return made


def places(area):
    east = area.east_lon_degree + (360 if area.east_lon_degree < area.west_lon_degree else 0)
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        for other in (share, 1 - share):
            lon = area.west_lon_degree + (east - area.west_lon_degree) * share
            yield (lon - 360 if lon > 180 else lon), area.south_lat_degree + (area.north_lat_degree - area.south_lat_degree) * other


def shift_of(base, area):
    """Metres; None where PROJ says nothing."""
    try:
        crs = crs_of(base)
        change = osr.CoordinateTransformation(crs, crs_of(4326))
        unit = crs.GetAngularUnits() / 0.017453292519943295
        most = 0
        for lon, lat in places(area):
            x, y, _ = change.TransformPoint(lon / unit, lat / unit)
            most = max(most, math.hypot(((x - lon + 180) % 360 - 180) * math.cos(math.radians(lat)), y - lat) * 111320)
        # Beyond a datum's own area formulas give anything.
        return round(most) if most < 2000 else None
    except RuntimeError:
        return None


ranges = []
listed = {int(i.code): i for i in osr.GetCRSInfoListFromDatabase('EPSG') if i.code.isdigit() and i.type in (osr.OSR_CRS_TYPE_GEOGRAPHIC_2D, osr.OSR_CRS_TYPE_PROJECTED)}
for code in sorted(listed):
    try:
        base = int(crs_of(code).CloneGeogCS().GetAuthorityCode(None))
    except (RuntimeError, TypeError, AttributeError):
        continue
    if ranges and ranges[-1][2] == base and not any(other in listed for other in range(ranges[-1][1] + 1, code)):
        ranges[-1][1] = code
    else:
        ranges.append([code, code, base])
shifts = {base: shift_of(base, listed[base]) for base in sorted({base for _, _, base in ranges}) if base in listed}
print(json.dumps({'ranges': ranges, 'shifts': {base: shift for base, shift in shifts.items() if shift is not None}}, separators=(',', ':')))
