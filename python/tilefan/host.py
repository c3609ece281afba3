"""
The process that runs a Python function on tiles: python3 -B -u -s python/tilefan/host.py

It lives as long as its compute thread. Requests come in on fd 3 and replies go out on fd 4, one JSON object a line (lib/code/code-setup.ts says what
is in them); arrays lie in the file that is open as fd 5.

This file is kept to what every Python since 2.7 can parse, so that an old one can say that it is too old.
"""
import json
import os
import sys

WANTED = (3, 9)


def refuse(kind, type_name, message):
    """Takes the setup, and answers that nothing can be run here."""
    os.fdopen(3).readline()
    reply = {'error': {'kind': kind, 'type': type_name, 'message': message}}
    os.write(4, (json.dumps(reply) + '\n').encode('utf-8'))


def find_package():
    """Python has put the folder of this file in front of its path, where info.py and others would be found instead of the user's own modules."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or '.') != here]
    sys.path.insert(0, os.path.dirname(here))


def main():
    version = '%d.%d.%d' % sys.version_info[:3]
    if sys.version_info < WANTED:
        refuse('python', 'PythonTooOld', 'wanted Python %d.%d or later for Python functions, found %s (%s)' % (WANTED + (version, sys.executable)))
        return
    find_package()
    from tilefan.serve import serve
    serve()


if __name__ == '__main__':
    main()
