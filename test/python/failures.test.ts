/** One clear sentence for everything that can be wrong with a Python function, with the place in the user's own source. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { packageFolder, python, refusalOf, withHost, withoutCloudpickle, withoutPython, type HostOptions } from './support/host.ts';

const skip = withoutPython;
const host = join(packageFolder, 'tilefan/host.py');

/** The failure of the one tile of a function. */
const failureOf = async (code: string, more: Partial<HostOptions> = {}) => await withHost({ code, file: 'ndvi.py', ...more }, async (started) => await started.failure());

describe('a function that can\'t be loaded', { skip }, () => {
  const cases: [string, Partial<HostOptions> & { readonly code: string }, { readonly kind: string; readonly type?: string; readonly line?: number; readonly message: RegExp }][] = [
    ['a syntax error', { code: 'x = 1\ndef f(info, inputs outputs):\n    pass' }, { kind: 'load', type: 'SyntaxError', line: 2, message: /^ndvi\.py:2 has a syntax error: / }],
    ['wrong indentation', { code: 'def f(info, inputs, outputs):\npass' }, { kind: 'load', type: 'IndentationError', line: 2, message: /^ndvi\.py:2 has a syntax error: expected an indented block/ }],
    ['a module that is not there', { code: '\nimport nowhere.at_all\ndef f(info, inputs, outputs): pass' }, { kind: 'load', type: 'ModuleNotFoundError', line: 2, message: /^ndvi\.py:2 imports nowhere, which \S+ \(Python 3\.\d+\.\d+\) does not have; a file beside the module doesn't come along with it: make a package/ }],
    ['a name that a module has not', { code: 'from numpy import nothing_like_it' }, { kind: 'load', type: 'ImportError', line: 1, message: /^ndvi\.py:1 could not be imported: ImportError: cannot import name 'nothing_like_it'/ }],
    ['an exception at import', { code: 'def g():\n    return {}["a"]\ng()' }, { kind: 'load', type: 'KeyError', line: 2, message: /^ndvi\.py:2 could not be imported: KeyError: 'a'$/ }],
    ['an exit at import', { code: 'import sys\nsys.exit(3)' }, { kind: 'load', type: 'SystemExit', line: 2, message: /^ndvi\.py:2 could not be imported: called sys\.exit\(3\)/ }],
    ['another name', { code: 'def ndvi(info, inputs, outputs): pass\ndef evi(info, inputs, outputs): pass\n_x = 1', function: 'nvdi' }, { kind: 'missing', message: /^ndvi\.py has no function nvdi: it has ndvi, evi$/ }],
    ['no function', { code: 'f = 5' }, { kind: 'missing', message: /^f of ndvi\.py is no function but int: it has none$/ }],
    ['no name, and several functions', { code: 'def a(info, inputs, outputs): pass\ndef b(info, inputs, outputs): pass', function: null }, { kind: 'missing', message: /^which function of ndvi\.py is meant has to be said: it has a, b$/ }],
    ['two arguments', { code: '\n\ndef f(inputs, outputs): pass' }, { kind: 'signature', line: 3, message: /^f\(inputs, outputs\) can't be called with a tile; wanted f\(info, inputs, outputs\) or \(info, inputs, outputs, otherargs\)$/ }],
    ['five arguments', { code: 'def f(a, b, c, d, e): pass' }, { kind: 'signature', message: /^f\(a, b, c, d, e\) can't be called with a tile/ }],
    ['a needed keyword', { code: 'def f(a, b, c, *, d): pass' }, { kind: 'signature', message: /can't be called with a tile/ }],
    ['async', { code: 'async def f(a, b, c): pass' }, { kind: 'signature', message: /^f is async; wanted a plain function f\(info, / }],
    ['yield', { code: 'def f(a, b, c): yield' }, { kind: 'signature', message: /^f is a generator \(it has yield\)/ }],
    ['a class', { code: 'class f: pass' }, { kind: 'signature', message: /^f is a class/ }],
  ];
  for (const [name, options, { kind, type, line, message }] of cases) {
    it(`says so: ${name}`, async () => {
      const failure = await refusalOf({ file: 'ndvi.py', ...options });
      assert.match(failure.message, message);
      assert.equal(failure.message.includes('\n'), false, 'one sentence is one line');
      assert.equal(failure.kind, kind);
      if (type !== undefined) assert.equal(failure.type, type);
      if (line !== undefined) assert.deepEqual([failure.file, failure.line], ['ndvi.py', line]);
    });
  }

  it('finds modules beside it, and names the file in which the error is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tilefan-beside-'));
    try {
      writeFileSync(join(folder, 'info.py'), 'def helper(x):\n    return 1 / x');
      const code = `import sys\nsys.path.insert(0, ${JSON.stringify(folder)})\nimport info as own\ndef f(info, inputs, outputs):\n    own.helper(0)`;
      const failure = await failureOf(code);
      assert.deepEqual([failure.file, failure.line, failure.function], [join(folder, 'info.py'), 2, 'helper']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('takes the only function of a module when none is named, and any signature that fits', async () => {
    for (const code of [
      'def only(info, inputs, outputs): return 1',
      'import json\nfrom os.path import join\ndef only(info, inputs, outputs, other=None): return other.p',
      'def only(*args): return len(args) - 3',
    ]) {
      await withHost({ code, function: null, parameters: { p: 1 } }, async (started) => assert.equal((await started.tile()).reply.result, 1));
    }
    await withHost({ code: 'class F:\n    def __call__(self, info, inputs, outputs): return 1\nf = F()' }, async (started) => assert.equal((await started.tile()).reply.result, 1));
  });
});

describe('a Python that can\'t run it', { skip }, () => {
  it('says that numpy is absent, by the interpreter\'s name', async () => {
    // -S -E: nothing of site-packages or of the environment.
    const { kind, message } = await refusalOf({ code: '', program: [python, '-B', '-S', '-E', host] });
    assert.equal(kind, 'numpy');
    assert.match(message, /^Python functions need numpy, which \S*python\S* \(Python 3\.\d+\.\d+\) does not have: No module named 'numpy'$/);
  });

  it('says that it is too old', async () => {
    // No old Python is at hand: the host is told that this is one.
    const program = `import sys, runpy\nsys.version_info = (3, 6, 9, 'final', 0)\nsys.argv = [${JSON.stringify(host)}]\nrunpy.run_path(${JSON.stringify(host)}, run_name='__main__')`;
    const { kind, message } = await refusalOf({ code: '', program: [python, '-c', program] });
    assert.equal(kind, 'python');
    assert.match(message, /^wanted Python 3\.9 or later for Python functions, found 3\.6\.9 \(\S+\)$/);
  });

  it('keeps the host\'s first file to what an old Python can parse', () => {
    const { stdout, stderr } = spawnSync(python, ['-c', `import ast\nast.parse(open(${JSON.stringify(host)}).read(), feature_version=(3, 4))\nprint('parsed')`], { encoding: 'utf8' });
    assert.equal(stdout, 'parsed\n', stderr);
  });

  it('says that cloudpickle is absent', async () => {
    const program = `import sys, runpy\nsys.modules['cloudpickle'] = None\nsys.argv = [${JSON.stringify(host)}]\nrunpy.run_path(${JSON.stringify(host)}, run_name='__main__')`;
    const { kind, message } = await refusalOf({ code: new Uint8Array(), file: 'f.pkl', program: [python, '-c', program] });
    assert.equal(kind, 'requirement');
    assert.match(message, /^a function in f\.pkl needs cloudpickle, which \S+ \(Python .*\) does not have: /);
  });

  it('says that a pickle is none', { skip: withoutCloudpickle }, async () => {
    for (const [code, wanted] of [['', /EOFError/], ['rubbish', /could not be read as \(function, otherargs\)/], [Buffer.from('8004880a2e', 'hex'), /could not be read/]] as const) {
      const { kind, message } = await refusalOf({ code, file: 'f.pkl' });
      assert.equal(kind, 'load');
      assert.match(message, wanted);
    }
  });
});

describe('a tile that fails', { skip }, () => {
  it('names file, line and function of the innermost frame of the user\'s, and shows no others', async () => {
    const failure = await failureOf('import numpy\ndef deep(x):\n    return numpy.linalg.inv(x)\n\ndef f(info, inputs, outputs):\n    try:\n        {}["cause"]\n    except KeyError:\n        deep(numpy.zeros((2, 2)))\n');
    assert.deepEqual([failure.kind, failure.type, failure.message, failure.file, failure.line, failure.function], ['function', 'LinAlgError', 'Singular matrix', 'ndvi.py', 3, 'deep']);
    const { traceback = '' } = failure;
    assert.match(traceback, /KeyError: 'cause'[\s\S]*During handling of the above[\s\S]*line 9, in f[\s\S]*line 3, in deep\n {4}return numpy\.linalg\.inv\(x\)\n[\s\S]*LinAlgError: Singular matrix\n$/);
    assert.doesNotMatch(traceback, /tilefan\/|linalg\.py/);
  });

  it('tells what an exception is that says nothing, or fails to say it, or says too much', async () => {
    const cases: [string, string, RegExp][] = [
      ['raise ValueError()', 'ValueError', /^ValueError$/],
      ['class E(Exception):\n        def __str__(self): raise TypeError()\n    raise E()', 'E', /^E$/],
      ['raise ValueError("x" * 10000000)', 'ValueError', /^x+ … x+$/],
      ['import sys\n    sys.exit("enough")', 'SystemExit', /^called sys\.exit\('enough'\); a function ends with return/],
      ['raise KeyboardInterrupt()', 'KeyboardInterrupt', /^KeyboardInterrupt$/],
      ['def g(): return g()\n    g()', 'RecursionError', /^maximum recursion depth exceeded/],
    ];
    for (const [body, type, message] of cases) {
      const failure = await failureOf(`def f(info, inputs, outputs):\n    ${body}`);
      assert.deepEqual([failure.kind, failure.type, failure.file], ['function', type, 'ndvi.py'], body);
      assert.match(failure.message, message);
      assert.ok(JSON.stringify(failure).length < 25_000);
    }
  });

  it('says which shape was wanted and which came, margin included', async () => {
    const outputs = [{ name: 'x', bands: 2 }];
    const cases: [string, Partial<HostOptions>, RegExp][] = [
      ['numpy.zeros((2, 8, 8))', { halo: 2 }, /^output x has shape \(2, 8, 8\); wanted \(bands, rows, columns\) = \(2, 12, 12\), which includes the margin \(halo\) of 2 pixels on each side: it is trimmed later$/],
      ['numpy.zeros((1, 8, 8))', {}, /has shape \(1, 8, 8\); wanted \(bands, rows, columns\) = \(2, 8, 8\) \(there is no margin: halo is 0\)$/],
      ['numpy.zeros((8, 8))', {}, /has shape \(8, 8\); wanted .* = \(2, 8, 8\)/],
      ['numpy.zeros((2, 9, 8))', {}, /has shape \(2, 9, 8\)/],
      ['numpy.float32(3)', {}, /has shape \(\)|is the number 3\.0; wanted a numpy array/],
    ];
    for (const [value, more, message] of cases) {
      const failure = await failureOf(`import numpy\n\ndef f(info, inputs, outputs):\n    outputs.x = ${value}`, { outputs, ...more });
      assert.match(failure.message, message);
      assert.deepEqual([failure.kind, failure.file, failure.line, failure.function], ['shape', 'ndvi.py', 3, 'f']);
    }
  });

  it('says what is wrong with what was written, before anything is stored', async () => {
    const cases: [string, RegExp][] = [
      ['pass', /^f has not written outputs\.x$/],
      ['outputs.ndiv = inputs', /^f has not written outputs\.x; it has written outputs\.ndiv$/],
      ['outputs.x = None', /^output x is None; wanted a numpy array of shape \(bands, rows, columns\)$/],
      ['outputs.x = [1, 2]', /^output x is a list of 2; wanted a numpy array/],
      ['outputs.x = numpy.zeros((1, 8, 8), dtype=complex)', /^output x is an array of complex128; wanted one of uint8, int8, /],
      ['outputs.x = numpy.full((1, 8, 8), "a")', /^output x is an array of <U1; wanted one of/],
    ];
    for (const [body, message] of cases) {
      const failure = await failureOf(`import numpy\ndef f(info, inputs, outputs):\n    ${body}`, { outputs: [{ name: 'x' }] });
      assert.match(failure.message, message);
      assert.equal(failure.kind, 'output');
    }
    const list = await failureOf('def f(info, inputs, outputs):\n    outputs.all = [1]', { outputs: [{ name: 'x' }, { name: 'y' }], lists: { all: ['x', 'y'] } });
    assert.match(list.message, /^outputs\.all is a list of 1; wanted a list of 2 arrays$/);
    const none = await failureOf('def f(info, inputs, outputs): pass', { outputs: [{ name: 'x' }, { name: 'y' }], lists: { all: ['x', 'y'] } });
    assert.match(none.message, /^f has not written outputs\.all$/);
  });

  // Catches: the name of a class of ours in place of the names that there are; hasattr, copies and pickles that fail over it; outputs that get lost without a word.
  it('says which inputs, arguments and outputs there are', async () => {
    const job = { inputs: [{ name: 's' }, { name: 'mask' }], outputs: [{ name: 'o' }], parameters: { gain: 2, green: 3 } };
    const cases: [string, string, RegExp][] = [
      ['return inputs.scene', 'function', /^there is no input scene: the job's inputs are s, mask$/],
      ['return inputs.msk', 'function', /^there is no input msk; did you mean mask\? the job's inputs are s, mask$/],
      ['return o.gian', 'function', /^there is no field gian; did you mean gain\? otherargs has gain, green$/],
      ['outputs.o = outputs.p = inputs.s', 'output', /^f has written outputs\.p, which there is not: the job's outputs are o$/],
      ["outputs.o = outputs['q'] = inputs.s", 'output', /^f has written outputs\.q, which there is not/],
    ];
    for (const [body, kind, message] of cases) {
      const failure = await failureOf(`def f(info, inputs, outputs, o):\n    ${body}`, job);
      assert.match(failure.message, message);
      assert.deepEqual([failure.kind, kind === 'function' ? failure.type : 'AttributeError'], [kind, 'AttributeError']);
    }
    const code = `
import copy, pickle
def f(info, inputs, outputs, o):
    outputs.o = inputs.s
    others = [copy.copy(inputs), copy.deepcopy(inputs), pickle.loads(pickle.dumps(inputs)), copy.deepcopy(o), pickle.loads(pickle.dumps(o))]
    assert not any(hasattr(each, 'scene') for each in [inputs, o, *others]) and getattr(o, 'none', 5) == 5 and len(inputs) == 2
    return [sorted(vars(each)) for each in others]
`;
    await withHost({ code, ...job }, async (started) => assert.deepEqual((await started.tile()).reply.result, [['mask', 's'], ['mask', 's'], ['mask', 's'], ['gain', 'green'], ['gain', 'green']]));
  });

  // Catches: a script for RIOS that ends for what RIOS passes over.
  it('leaves other outputs of a script alone', { skip: withoutCloudpickle }, async () => {
    const pickling = `import sys, cloudpickle\ndef f(info, inputs, outputs):\n    outputs.o = outputs.p = inputs.s\n    if info.getBlockCount() == (1, 0): inputs.scene\nsys.stdout.buffer.write(cloudpickle.dumps((f, None)))`;
    const { stdout: code } = spawnSync(python, ['-c', pickling]);
    await withHost({ code, file: 'f.pkl', function: null, inputs: [{ name: 's' }], outputs: [{ name: 'o' }], grid: { columns: 16, rows: 8 } }, async (started) => {
      await started.tile();
      assert.match((await started.failure({ column: 1 })).message, /^there is no input scene: infiles has s$/);
    });
  });

  it('says that memory ran out, at the limit, and goes on', { skip: process.platform === 'linux' ? false : 'RLIMIT_DATA is of Linux' }, async () => {
    const code = 'import numpy\ndef f(info, inputs, outputs):\n    return int(numpy.ones(2 ** (20 if info.isFirstBlock() else 30), dtype="uint8").sum())';
    await withHost({ code, memoryBytes: 500_000_000, grid: { columns: 16, rows: 8 } }, async (started) => {
      const failure = await started.failure({ column: 1 });
      assert.deepEqual([failure.kind, failure.file ?? '', failure.line], ['memory', 'user.py', 3]);
      assert.match(failure.message, /^ran out of memory: Unable to allocate 1\.00 GiB/);
      assert.equal((await started.tile()).reply.result, 2 ** 20);
    });
  });

  it('ends the conversation, and no more, when the function ends its process', async () => {
    await withHost({ code: 'import os\ndef f(info, inputs, outputs):\n    print("last words")\n    os._exit(9)' }, async (started) => {
      assert.equal(await started.ask({ call: started.call({}) }), undefined);
      await started.ended;
      assert.equal(started.child.exitCode, 9);
      assert.equal(started.stdout, 'last words\n');
    });
  });

  it('leaves no bytecode beside the user\'s file', async () => {
    await withHost({ code: 'def f(info, inputs, outputs): pass' }, async (started) => {
      await started.tile();
      assert.equal(existsSync(join(started.folder, '__pycache__')), false);
    });
  });
});
