"""The conversation with the worker: a setup, then tiles or items, until fd 3 ends."""
import gc
import json
import os
import sys

from .failures import Failure, Source, describe
from .items import Items
from .merge import Merger
from .process import Prints, end_with_parent, limit_memory, move_channel
from .user_function import load


def write_line(fd, text):
    data = memoryview((text + '\n').encode('utf-8', 'backslashreplace'))
    at = 0
    while at < len(data):
        at += os.write(fd, data[at:at + 1048576])


class Conversation:
    def __init__(self):
        end_with_parent()
        self.pid = os.getpid()
        self.serial = False
        self.requests = os.fdopen(move_channel(3), 'rb')
        self.replies = move_channel(4)
        self.shared_fd = move_channel(5)
        self.prints = Prints()

    def leave_child(self, exit_code):
        """A process that the user's code has forked, and that has come back here, has nothing to say: its parent answers."""
        if os.getpid() != self.pid:
            os._exit(exit_code)

    def is_damaged(self):
        """Whether the call has left this process so that later ones would fail; one that keeps state from call to call goes on all the same."""
        return not self.serial and not self.prints.intact()

    def reply(self, text):
        self.leave_child(0)
        self.prints.flush()
        write_line(self.replies, text)

    def fail(self, failure, call_id=None):
        self.leave_child(1)
        record = failure.record()
        if call_id is not None and self.is_damaged():
            record['ends'] = True
        self.reply(json.dumps({'error': record if call_id is None else {'id': call_id, **record}}))

    def start(self, setup):
        """Loads the function. @returns None when that failed"""
        self.serial = bool(setup.get('serial'))
        source = Source(setup['code'])
        try:
            # Before memory is limited: it takes some for each of its threads, which is none of the function's.
            import_numpy(needed=setup.get('items') is None)
            if setup.get('memoryBytes'):
                limit_memory(int(setup['memoryBytes']))
            if setup.get('merges'):
                return Merger(setup, source)
            if setup.get('items') is not None:
                return Items(setup, source)
            from .shared_memory import SharedFile
            from .tile import Tiles
            user = load(setup['code'], setup.get('function'), source)
            return Tiles(setup, user, SharedFile(self.shared_fd), source)
        except Failure as failure:
            self.fail(failure)
        except BaseException as error:
            self.fail(describe(error, 'load', source))
        return None

    def answer(self, tiles, call):
        try:
            result, outputs = tiles.run(call)
        except Failure as failure:
            self.fail(failure, call['id'])
            if failure.kind == 'memory':
                gc.collect()
        except BaseException as error:
            # Of this package, or of a value of the user's that fails when it is looked at.
            self.fail(describe(error, 'function', tiles.source, tiles.name), call['id'])
        else:
            said = '' if result is None else '"result":%s,' % result
            ends = '"ends":true,' if self.is_damaged() else ''
            self.reply('{%s"done":{"id":%s,%s"outputs":%s}}' % (ends, json.dumps(call['id']), said, json.dumps(outputs)))


def import_numpy(needed):
    """Tiles are its arrays. Functions over items may do without it. @raises Failure numpy"""
    try:
        import numpy  # noqa: F401
    except ImportError as error:
        if needed:
            version = '%d.%d.%d' % sys.version_info[:3]
            raise Failure('numpy', 'Python functions need numpy, which %s (Python %s) does not have: %s' % (sys.executable, version, error), 'NumpyMissing') from None


def serve():
    conversation = Conversation()
    try:
        line = conversation.requests.readline()
        if line:
            setup = json.loads(line)
            tiles = conversation.start(setup.get('setup', setup))
            if tiles is not None:
                # What a module does to its prints while it is loaded, it means.
                conversation.prints.remember()
                conversation.reply('{"ready":true}')
                for line in iter(conversation.requests.readline, b''):
                    request = json.loads(line)
                    # `call`, `merge` or `item`: each process gets one kind.
                    conversation.answer(tiles, *request.values())
                    if conversation.is_damaged():
                        break
    except BrokenPipeError:
        # The worker is gone.
        pass
    finally:
        try:
            conversation.prints.flush()
        finally:
            # Threads that the user's code has started don't hold it up.
            os._exit(0)
