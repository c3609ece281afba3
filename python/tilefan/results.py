"""What a function returns, or leaves in its arguments, as JSON."""
import copy
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import math
import numbers
import pathlib

try:
    import numpy
except ImportError:
    # Then there are no values of it either.
    numpy = None

from .failures import Failure

# Results of all tiles are gathered: one of more than this is a raster that should have been an output.
LONGEST_BYTES = 16 * 1024 * 1024
DEEPEST = 100


def refuse(where, value):
    raise Failure('output', '%s is %s of type %s.%s, which has no place in JSON; wanted numbers, texts, arrays, lists or dicts'
                  % (where, 'a value', type(value).__module__, type(value).__qualname__), type_name='ResultError')


def beginning(where, characters=60):
    """Of a path that is nested without end: the rest says no more."""
    return where if len(where) <= characters else where[:characters] + '…'


def to_json(value, where='the result', depth=0):
    """A value as JSON has it. `where` names it for errors. NaN and the infinities become words (lib/base/json-number.ts)."""
    if depth > DEEPEST:
        raise Failure('output', '%s is nested more than %d deep, or contains itself' % (beginning(where), DEEPEST), type_name='ResultError')
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, enum.Enum):
        return to_json(value.value, where, depth + 1)
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return None if isinstance(value, numpy.ma.core.MaskedConstant) else from_numpy(value, where, depth)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, (float, decimal.Decimal, fractions.Fraction)):
        return from_float(float(value))
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, pathlib.PurePath):
        return str(value)
    if isinstance(value, dict):
        return from_dict(value, where, depth)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name), '%s.%s' % (where, field.name), depth + 1) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, '_asdict'):
        return from_dict(value._asdict(), where, depth)
    if isinstance(value, (set, frozenset)):
        return sorted((to_json(each, '%s{…}' % where, depth + 1) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
    if isinstance(value, (list, tuple)):
        return [to_json(each, '%s[%d]' % (where, index), depth + 1) for index, each in enumerate(value)]
    if numpy is not None and hasattr(value, '__array__') and hasattr(value, 'tolist'):
        return to_json(numpy.asarray(value), where, depth + 1)
    if hasattr(value, '__dict__') and not isinstance(value, type) and not callable(value) and type(value).__module__ != 'builtins' and not hasattr(value, 'read'):
        return from_dict(vars(value), where, depth)
    return refuse(where, value)


def from_float(value):
    if math.isfinite(value):
        return value
    return 'nan' if math.isnan(value) else ('inf' if value > 0 else '-inf')


def from_numpy(value, where, depth):
    if value.dtype.kind in 'mM':
        return to_json(numpy.datetime_as_string(value).tolist() if value.dtype.kind == 'M' else value.astype('timedelta64[us]').astype(float).tolist(), where, depth + 1)
    if value.dtype.kind not in 'biufUO' or value.dtype.names is not None:
        refuse(where, value)
    plain = value.tolist()
    if value.dtype.kind in 'biuU' and not numpy.ma.isMaskedArray(value):
        return plain
    if value.dtype.kind == 'f' and not numpy.ma.isMaskedArray(value) and numpy.isfinite(value).all():
        return float(plain) if value.ndim == 0 else plain
    return to_json(plain, where, depth + 1)


def from_dict(value, where, depth):
    answer = {}
    for key, each in value.items():
        if numpy is not None and isinstance(key, numpy.generic):
            key = key.item()
        if not isinstance(key, (str, int, float, bool)) and key is not None:
            raise Failure('output', '%s has a key %r of type %s; wanted texts or numbers' % (where, key, type(key).__name__), type_name='ResultError')
        name = key if isinstance(key, str) else json.dumps(key)
        if name in answer:
            raise Failure('output', '%s has the key %s twice, as a text and as a number' % (where, name), type_name='ResultError')
        answer[name] = to_json(each, '%s[%r]' % (where, key), depth + 1)
    return answer


def check_length(text):
    """@raises Failure when the JSON of a result is no summary of a tile any more"""
    if len(text) > LONGEST_BYTES:
        raise Failure('output', 'the result is %.0f MiB of JSON; wanted %d MiB at most: pixels belong into an output'
                      % (len(text) / 1048576, LONGEST_BYTES // 1048576), type_name='ResultError')


def same(a, b, depth=0):
    """Whether two values are the same all the way down; NaN is the same as NaN."""
    if a is b:
        return True
    if type(a) is not type(b) or depth > DEEPEST:
        return False
    if numpy is not None and isinstance(a, numpy.ndarray):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        if a.dtype.kind == 'O':
            return same(a.tolist(), b.tolist(), depth + 1)
        return bool(numpy.array_equal(a, b, equal_nan=a.dtype.kind in 'fc'))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key], depth + 1) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y, depth + 1) for x, y in zip(a, b))
    if isinstance(a, float) and a != a and b != b:
        return True
    try:
        if bool(a == b):
            return True
    except Exception:
        # It can't be compared with ==; perhaps by what it consists of.
        pass
    if type(a).__eq__ is object.__eq__ and hasattr(a, '__dict__'):
        return same(vars(a), vars(b), depth + 1)
    return False


def copy_fields(fields):
    """A copy of each value, however deep; what can't be copied is taken as it is."""
    answer = {}
    for name, value in fields.items():
        try:
            answer[name] = copy.deepcopy(value)
        except Exception:
            answer[name] = value
    return answer


def changes(before, after):
    """The fields that were added or changed. Names with an underscore in front are the function's own business."""
    return {name: value for name, value in after.items() if not name.startswith('_') and not (name in before and same(before[name], value))}
