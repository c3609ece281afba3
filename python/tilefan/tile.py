"""One tile: arrays in, the user's function, arrays and a result out."""
import base64
import json
import pickle
import sys

from .blocks import BlockAssociations, Inputs, OtherInputs, ScriptInputs
from .failures import Failure, describe
from .info import ReaderInfo
from .results import changes, check_length, copy_fields, to_json
from .samples import as_array, check_shape, number_of, storable, store


class Tiles:
    """Calls the function on one tile after another."""

    def __init__(self, setup, user, shared, source):
        self.setup = setup
        self.user = user
        self.name = user.name
        self.shared = shared
        self.source = source
        self.place = source.place_of(user.function)
        # Of RIOS, where outputs that no file was named for are left alone.
        self.of_script = setup['code'].endswith('.pkl')
        inputs = {description['name'] for description in setup['inputs']}
        lists = setup['lists'].items()
        self.input_lists = user.names.get('inputLists', {name: members for name, members in lists if members[0] in inputs})
        self.output_lists = user.names.get('outputLists', {name: members for name, members in lists if members[0] not in inputs})
        # Outputs outside of lists.
        listed = {member for members in self.output_lists.values() for member in members}
        self.attributes = [name for name in (description['name'] for description in setup['outputs']) if name not in listed]
        # What a serial run keeps from tile to tile.
        self.kept = None
        self.last = -1

    def run(self, call):
        """@returns the JSON of the reply's result or None, and of its outputs; @raises Failure"""
        if self.setup['serial'] and not call['probe']:
            self.check_order(call)
        others = self.others(call)
        before = None if others is None or self.user.pickled is not None else copy_fields(vars(others))
        arrays = self.inputs(call)
        info = ReaderInfo(self.setup, call)
        info._remember(arrays)
        outputs = BlockAssociations()
        arguments = (info, self.inputs_object(arrays), outputs) + ((others,) if self.user.takes_others else ())
        try:
            try:
                returned = self.user.function(*arguments)
            except BaseException as error:
                failure = describe(error, 'function', self.source, self.user.name)
                # Its frames hold arrays of this tile.
                error.__traceback__ = None
                raise failure from None
            made = self.store_outputs(call, outputs)
            result = self.result(returned, others, before, info)
            returned = None
        finally:
            outputs = arguments = info = None
            self.release(arrays)
        if self.setup['serial'] and not call['probe']:
            self.last = self.index(call)
        return result, made

    def index(self, call):
        return call['row'] * self.setup['tiles']['across'] + call['column']

    def check_order(self, call):
        """What earlier tiles have left is in this process or nowhere: a serial run that doesn't begin at its first tile would be wrong without a word."""
        index = self.index(call)
        if (self.last < 0 and index > 0) or index <= self.last:
            said = 'begins at tile %d' % index if self.last < 0 else 'is at tile %d after tile %d' % (index, self.last)
            raise Failure('function', 'a serial run %s, so what earlier tiles have left in otherargs is lost; wanted all tiles in one go, row by row' % said, 'SerialOrder', self.place)

    # Arguments.

    def others(self, call):
        """otherargs of this tile: a copy of its own, unless the run is serial. A trial gets a copy too, so that it leaves nothing."""
        if not self.user.takes_others:
            return None
        if self.setup['serial'] and not call['probe']:
            if self.kept is None:
                self.kept = self.new_others()
            return self.kept
        return self.new_others()

    def new_others(self):
        if self.user.pickled is not None:
            return pickle.loads(self.user.pickled)
        others = OtherInputs()
        vars(others).update(copy_fields(self.setup['parameters'] or {}))
        return others

    def inputs(self, call):
        """(array, validity or None, description) of each input, in order."""
        margin = 2 * self.setup['halo']
        rows, columns = call['window']['rows'] + margin, call['window']['columns'] + margin
        arrays = []
        for description, at in zip(self.setup['inputs'], call['inputs']):
            array = self.shared.view(at['offset'], description['dtype'], (description['bands'], rows, columns))
            valid = None if at.get('validOffset') is None else self.shared.view(at['validOffset'], 'uint8', (rows, columns))
            arrays.append((array, valid, description))
        return arrays

    def inputs_object(self, arrays):
        inputs = ScriptInputs() if self.of_script else Inputs()
        by_name = {description['name']: array for array, _, description in arrays}
        listed = {member for members in self.input_lists.values() for member in members}
        for name, array in by_name.items():
            if name not in listed:
                setattr(inputs, name, array)
        for name, members in self.input_lists.items():
            setattr(inputs, name, [by_name[member] for member in members])
        return inputs

    def release(self, arrays):
        """Lets go of the tile's arrays; those that the user's code has kept are left to it."""
        kept = False
        while arrays:
            array, valid, _ = arrays.pop()
            # `array` itself, and the argument of getrefcount.
            kept = kept or sys.getrefcount(array) > 2 or (valid is not None and sys.getrefcount(valid) > 2)
        array = valid = None
        if kept:
            self.shared.leave()

    # Outputs.

    def written(self, outputs):
        """What the function has assigned to each output, by the output's own name: (what the function calls it, value)."""
        fields = vars(outputs)
        found = {name: (name, fields[name]) for name in self.attributes if name in fields}
        for name, members in self.output_lists.items():
            if name not in fields:
                continue
            value = fields[name]
            if not isinstance(value, (list, tuple)) or len(value) != len(members):
                raise Failure('output', 'outputs.%s is %s; wanted a list of %d arrays' % (name, 'a list of %d' % len(value) if isinstance(value, (list, tuple)) else 'no list', len(members)), place=self.place)
            for index, member in enumerate(members):
                found[member] = ('%s[%d]' % (name, index), value[index])
        return found

    def attribute_of(self, output):
        """The attribute of `outputs` that an output is, or is in."""
        return output if output in self.attributes else next(name for name, members in self.output_lists.items() if output in members)

    def not_written(self, output, outputs):
        known = {*self.attributes, *self.output_lists}
        others = [name for name in vars(outputs) if name not in known]
        wrote = '; it has written outputs.%s' % ', outputs.'.join(others) if others else ''
        return Failure('output', '%s has not written outputs.%s%s' % (self.user.name, self.attribute_of(output), wrote), place=self.place)

    def refuse_others(self, outputs):
        """@raises Failure for outputs that the job hasn't, which would get lost without a word"""
        known = [*self.attributes, *self.output_lists]
        fields = vars(outputs)
        others = [name for name in fields if name not in known]
        # What is missing is told first.
        if self.of_script or not others or any(name not in fields for name in known):
            return
        there = "the job's outputs are %s" % ', '.join(known) if known else 'the job has no outputs'
        raise Failure('output', '%s has written outputs.%s, which there is not: %s' % (self.user.name, ', outputs.'.join(others), there), place=self.place)

    def store_outputs(self, call, outputs):
        probe = call['probe']
        halo = self.setup['halo']
        rows, columns = call['window']['rows'] + 2 * halo, call['window']['columns'] + 2 * halo
        self.refuse_others(outputs)
        written = self.written(outputs)
        ready, made = [], []
        for description, at in zip(self.setup['outputs'], call['outputs']):
            name = description['name']
            if name not in written:
                raise self.not_written(name, outputs)
            called, value = written[name]
            nodata = number_of(description['nodata'])
            array = check_shape(called, as_array(called, value, nodata, self.place), None if probe else description['bands'], rows, columns, halo, self.place)
            ready.append((array, at, description, nodata))
            made.append({'dtype': storable(array.dtype), 'bands': array.shape[0]})
        # All are right before one is stored.
        for array, at, description, nodata in [] if probe else ready:
            target = self.shared.view(at['offset'], description['dtype'], array.shape)
            store(array, target, nodata)
        return made

    # The result.

    def result(self, returned, others, before, info):
        """The JSON of what came of the tile beside pixels; None when nothing did."""
        if self.user.pickled is not None:
            # RIOS: what counts is what is left in otherArgs.
            if self.setup['serial'] and not info.isLastBlock():
                return None
            return self.pickled_others(others)
        if self.of_script:
            return None
        if returned is not None:
            value = self.json(returned, 'what %s returned' % self.user.name)
        elif others is not None:
            left = changes(before, vars(others))
            if not left:
                return None
            value = {name: self.json(each, 'otherargs.%s' % name) for name, each in left.items()}
        else:
            return None
        text = json.dumps(value, separators=(',', ':'))
        check_length(text)
        return text

    def json(self, value, where):
        try:
            return to_json(value, where)
        except Failure as failure:
            failure.place = self.place
            raise

    def pickled_others(self, others):
        import cloudpickle
        try:
            data = cloudpickle.dumps(others)
        except Exception as error:
            raise Failure('output', 'what %s has left in otherArgs can\'t be pickled: %s: %s' % (self.user.name, type(error).__name__, error), 'ResultError', self.place) from None
        return json.dumps({'otherargs': base64.b64encode(data).decode('ascii')})
