"""Small objects on S3: the function on its way there, otherArgs on their way back. By boto3, or by GDAL, whichever is there."""
from .rioserrors import UnavailableError


def _parts(place):
    bucket, _, key = place[len('s3://'):].partition('/')
    return bucket, key


def _client():
    """boto3's client, or None."""
    try:
        import boto3
    except ImportError:
        return None
    return boto3.client('s3')


def _gdal(place):
    try:
        from osgeo import gdal
    except ImportError:
        raise UnavailableError('%s: to read and write there wants boto3 or GDAL beside the script, and neither is there' % place) from None
    return gdal, '/vsis3/%s/%s' % _parts(place)


def _failed(gdal, place, what):
    return UnavailableError('%s can\'t be %s: %s' % (place, what, gdal.GetLastErrorMsg() or gdal.VSIGetLastErrorMsg() or 'GDAL does not say why'))


def put(place, data):
    """@raises UnavailableError"""
    client = _client()
    if client is not None:
        bucket, key = _parts(place)
        client.put_object(Bucket=bucket, Key=key, Body=data)
        return
    gdal, name = _gdal(place)
    try:
        file = gdal.VSIFOpenL(name, 'wb')
        if file is None:
            raise _failed(gdal, place, 'written')
        written = gdal.VSIFWriteL(data, 1, len(data), file)
        if gdal.VSIFCloseL(file) != 0 or written != len(data):
            raise _failed(gdal, place, 'written')
    except RuntimeError as error:
        raise UnavailableError('%s can\'t be written: %s' % (place, error)) from None


def get(place):
    """@raises UnavailableError"""
    client = _client()
    if client is not None:
        bucket, key = _parts(place)
        return client.get_object(Bucket=bucket, Key=key)['Body'].read()
    gdal, name = _gdal(place)
    try:
        gdal.VSICurlClearCache()
        file = gdal.VSIFOpenL(name, 'rb')
        if file is None:
            raise _failed(gdal, place, 'read')
        parts = []
        while True:
            part = gdal.VSIFReadL(1, 1 << 20, file)
            if not part:
                break
            parts.append(bytes(part))
        gdal.VSIFCloseL(file)
        return b''.join(parts)
    except RuntimeError as error:
        raise UnavailableError('%s can\'t be read: %s' % (place, error)) from None
