"""Creation options of GDAL's GTiff and COG drivers as fields of an output of a job."""
from .rioserrors import ParameterError, UnsupportedError

COMPRESSIONS = {'DEFLATE': 'deflate', 'ZSTD': 'zstd', 'LZW': 'lzw', 'LERC': 'lerc', 'LERC_ZSTD': 'lerc', 'JPEG': 'jpeg', 'WEBP': 'webp', 'NONE': 'none'}
PREDICTORS = {'1': 1, '2': 2, '3': 3, 'NO': 1, 'STANDARD': 2, 'FLOATING_POINT': 3, 'YES': 'auto'}
BLOCK_SIZES = (128, 256, 512, 1024)

# Options that say how GDAL is to work, or what is the case here anyway.
AS_IT_IS = {'TILED': ('YES', 'TRUE', 'ON', '1'), 'BIGTIFF': ('IF_NEEDED', 'IF_SAFER'), 'INTERLEAVE': ('PIXEL',), 'NUM_THREADS': None, 'SPARSE_OK': ('FALSE', 'NO'), 'PHOTOMETRIC': ('MINISBLACK',)}


def refuse(option, why):
    raise UnsupportedError('setCreationOptions: %s: %s' % (option, why))


def output_fields(options):
    """@returns fields of an output; @raises UnsupportedError that names the option, ParameterError"""
    fields, sides = {}, set()
    for option in options:
        name, equals, value = str(option).partition('=')
        if not equals:
            raise ParameterError('setCreationOptions: found %r; wanted NAME=VALUE' % (option,))
        name, value = name.strip().upper(), value.strip()
        if name == 'COMPRESS':
            if value.upper() not in COMPRESSIONS:
                refuse(option, 'wanted one of %s' % ', '.join(COMPRESSIONS))
            fields['compression'] = COMPRESSIONS[value.upper()]
        elif name == 'PREDICTOR':
            if value.upper() not in PREDICTORS:
                refuse(option, 'wanted 1, 2 or 3')
            fields['predictor'] = PREDICTORS[value.upper()]
        elif name in ('ZLEVEL', 'ZSTD_LEVEL', 'LEVEL'):
            fields['level'] = int(value)
        elif name in ('JPEG_QUALITY', 'WEBP_LEVEL', 'QUALITY'):
            fields['quality'] = int(value)
        elif name == 'MAX_Z_ERROR':
            fields['maxError'] = float(value)
        elif name in ('BLOCKXSIZE', 'BLOCKYSIZE', 'BLOCKSIZE'):
            sides.add(int(value))
        elif name in AS_IT_IS:
            if AS_IT_IS[name] is not None and value.upper() not in AS_IT_IS[name]:
                refuse(option, 'a cloud-optimized GeoTIFF of tilefan has %s=%s' % (name, AS_IT_IS[name][0]))
        elif name == 'INTERLEAVE':
            refuse(option, 'bands lie pixel by pixel')
        else:
            refuse(option, 'tilefan writes GeoTIFFs with COMPRESS, PREDICTOR, ZLEVEL, ZSTD_LEVEL, JPEG_QUALITY, WEBP_LEVEL, MAX_Z_ERROR, BLOCKXSIZE and BLOCKYSIZE')
    if len(sides) > 1 or sides - set(BLOCK_SIZES):
        refuse('BLOCKXSIZE, BLOCKYSIZE', 'blocks are squares with a side of %s pixels' % ', '.join(map(str, BLOCK_SIZES)))
    if sides:
        fields['blockSize'] = sides.pop()
    return fields
