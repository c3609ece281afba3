/** The Python host: arrays in and out, prints, results, state, memory, and its end. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { packageFolder, python, refusalOf, withHost, withoutCloudpickle, withoutPython, type HostOptions } from './support/host.ts';

const skip = withoutPython;

/** 0, 1, 2 … of `count` samples. */
const counting = (count: number): Uint16Array<ArrayBuffer> => Uint16Array.from({ length: count }, (_, i) => i);

describe('arrays', { skip }, () => {
  it('gives (bands, rows, columns) in the input\'s own type, and stores what comes back', async () => {
    const code = `
def f(info, inputs, outputs):
    assert inputs.a.shape == (2, 8, 8) and inputs.a.dtype == 'uint16', (inputs.a.shape, inputs.a.dtype)
    assert inputs.b.shape == (1, 8, 8) and inputs.b.dtype == 'float64'
    outputs.x = inputs.a[::-1] * inputs.b
`;
    await withHost({ code, inputs: [{ name: 'a', bands: 2 }, { name: 'b', dtype: 'float64' }], outputs: [{ name: 'x', bands: 2 }] }, async (host) => {
      const b = Float64Array.from({ length: 64 }, (_, i) => i / 4);
      const { arrays, reply } = await host.tile({ arrays: [counting(128), b] });
      assert.deepEqual(arrays[0], Float32Array.from({ length: 128 }, (_, i) => ((i + 64) % 128) * (b[i % 64] ?? 0)));
      assert.deepEqual(reply.outputs, [{ dtype: 'float64', bands: 2 }]);
    });
  });

  it('cuts the last tiles to the grid, margin included', async () => {
    const code = 'def f(info, inputs, outputs):\n    outputs.x = inputs.a\n    return inputs.a.shape';
    await withHost({ code, inputs: [{ name: 'a' }], outputs: [{ name: 'x', dtype: 'uint16' }], grid: { columns: 11, rows: 9 }, halo: 2 }, async (host) => {
      assert.deepEqual((await host.tile({ column: 1, row: 1 })).reply.result, [1, 5, 7]);
      assert.deepEqual((await host.tile()).reply.result, [1, 12, 12]);
    });
  });

  it('takes two dimensions for one band, and bool for uint8', async () => {
    const code = 'def f(info, inputs, outputs):\n    outputs.x = inputs.a[0] > 31';
    await withHost({ code, inputs: [{ name: 'a' }], outputs: [{ name: 'x', dtype: 'uint8' }] }, async (host) => {
      const { arrays, reply } = await host.tile({ arrays: [counting(64)] });
      assert.deepEqual(arrays[0], Uint8Array.from({ length: 64 }, (_, i) => Number(i > 31)));
      assert.deepEqual(reply.outputs, [{ dtype: 'uint8', bands: 1 }]);
    });
  });

  it('rounds half to even and saturates what an integer output gets, and makes NaN its nodata', async () => {
    const code = `
import numpy
def f(info, inputs, outputs):
    x = numpy.zeros((1, 8, 8), dtype=inputs.a.dtype)
    x[0, 0] = [0.5, 1.5, 2.5, -1, 300, numpy.nan, numpy.inf, -numpy.inf]
    outputs.x = x
`;
    for (const [dtype, wanted] of [
      ['uint8', [0, 2, 2, 0, 255, 7, 255, 0]],
      ['int8', [0, 2, 2, -1, 127, 7, 127, -128]],
      ['uint32', [0, 2, 2, 0, 300, 7, 4_294_967_295, 0]],
      ['int32', [0, 2, 2, -1, 300, 7, 2_147_483_647, -2_147_483_648]],
    ] as const) {
      for (const from of ['float32', 'float64'] as const) {
        await withHost({ code, inputs: [{ name: 'a', dtype: from }], outputs: [{ name: 'x', dtype, nodata: 7 }] }, async (host) => {
          assert.deepEqual([...(await host.tile()).arrays[0] ?? []].slice(0, 8), wanted, `${from} to ${dtype}`);
        });
      }
    }
  });

  it('saturates integers of other types, those of 64 bits too', async () => {
    const code = `
import numpy
def f(info, inputs, outputs):
    x = numpy.zeros((1, 8, 8), dtype=numpy.uint64)
    x[0, 0, :3] = [255, 256, 2 ** 63]
    outputs.x = x
    outputs.y = numpy.full((1, 8, 8), -5, dtype=numpy.int64)
`;
    await withHost({ code, outputs: [{ name: 'x', dtype: 'int8' }, { name: 'y', dtype: 'uint16' }] }, async (host) => {
      const { arrays, reply } = await host.tile();
      assert.deepEqual([...(arrays[0] ?? [])].slice(0, 4), [127, 127, 127, 0]);
      assert.equal(arrays[1]?.[0], 0);
      assert.deepEqual(reply.outputs.map(({ dtype }) => dtype), ['float64', 'float64']);
    });
  });

  it('stores nodata where an array is masked', async () => {
    const code = 'import numpy\ndef f(info, inputs, outputs):\n    outputs.x = numpy.ma.masked_less(inputs.a, 3)';
    await withHost({ code, inputs: [{ name: 'a' }], outputs: [{ name: 'x', dtype: 'int16', nodata: -9 }] }, async (host) => {
      assert.deepEqual([...((await host.tile({ arrays: [counting(64)] })).arrays[0] ?? [])].slice(0, 5), [-9, -9, -9, 3, 4]);
    });
  });

  it('lets inputs be changed in place', async () => {
    const code = 'def f(info, inputs, outputs):\n    inputs.a[inputs.a > 5] = 1\n    outputs.x = inputs.a';
    await withHost({ code, inputs: [{ name: 'a' }], outputs: [{ name: 'x', dtype: 'uint16' }] }, async (host) => {
      assert.deepEqual([...((await host.tile({ arrays: [counting(64)] })).arrays[0] ?? [])].slice(3, 8), [3, 4, 5, 1, 1]);
    });
  });

  it('leaves arrays alone that the function keeps when the next tile is written into the same memory', async () => {
    const code = `
kept = []
def f(info, inputs, outputs):
    kept.append(inputs.a[0, 1:3])
    return [int(each.sum()) for each in kept]
`;
    await withHost({ code, inputs: [{ name: 'a' }] }, async (host) => {
      const results: unknown[] = [];
      for (const value of [1, 2, 3]) results.push((await host.tile({ arrays: [new Uint16Array(64).fill(value)] })).reply.result);
      assert.deepEqual(results, [[16], [16, 32], [16, 32, 48]]);
    });
  });

  it('copies no inputs as long as nobody keeps them', { skip: process.platform === 'linux' ? false : 'looks into /proc' }, async () => {
    const code = 'kept = []\ndef f(info, inputs, outputs):\n    outputs.x = inputs.a + 1\n    part = inputs.a[0]\n    if info.getBlockCount() == (1, 0): kept.append(part)\n    return info.getFilenameFor(part)';
    await withHost({ code, inputs: [{ name: 'a', masked: true }], outputs: [{ name: 'x', dtype: 'uint16' }], grid: { columns: 16, rows: 8 } }, async (host) => {
      const mapped = (): boolean => readFileSync(`/proc/${String(host.child.pid)}/maps`, 'utf8').includes('/shared (deleted)');
      for (let i = 0; i < 3; i++) {
        await host.tile({ valid: [new Uint8Array(64)] });
        assert.equal(mapped(), true);
      }
      await host.tile({ column: 1 });
      assert.equal(mapped(), false, 'the kept array has memory of its own, and the file is mapped anew by the next tile');
      await host.tile();
      assert.equal(mapped(), true);
    });
  });

  it('gives lists of inputs, and takes lists of outputs', async () => {
    const code = `
def f(info, inputs, outputs):
    assert not hasattr(inputs, 'a') and len(inputs) == 3
    outputs.both = [inputs.many[1], inputs['many', 0]]
    outputs.c = inputs.c + 1
`;
    const uint16 = { dtype: 'uint16' } as const;
    await withHost({ code, lists: { many: ['a', 'b'], both: ['x', 'y'] }, inputs: [{ name: 'a' }, { name: 'b' }, { name: 'c' }], outputs: [{ name: 'x', ...uint16 }, { name: 'y', ...uint16 }, { name: 'c', ...uint16 }] }, async (host) => {
      const { arrays } = await host.tile({ arrays: [10, 20, 30].map((value) => new Uint16Array(64).fill(value)) });
      assert.deepEqual(arrays.map((array) => array[0]), [20, 10, 31]);
    });
  });

  it('tells on a trial what it makes, and stores nothing', async () => {
    const code = 'def f(info, inputs, outputs):\n    outputs.x = inputs.a.astype("int32").repeat(3, axis=0)';
    await withHost({ code, inputs: [{ name: 'a' }], outputs: [{ name: 'x' }] }, async (host) => {
      const { reply } = await host.tile({ probe: true, arrays: [counting(64)] });
      assert.deepEqual(reply.outputs, [{ dtype: 'int32', bands: 3 }]);
      assert.equal(reply.result, undefined);
      const failure = await host.failure();
      assert.equal(failure.kind, 'shape', 'the number of bands counts when it is no trial');
    });
  });
});

describe('what comes back beside pixels', { skip }, () => {
  const resultOf = async (body: string, more: Partial<HostOptions> = {}): Promise<unknown> =>
    await withHost({ code: `import numpy, collections, dataclasses, datetime, pathlib, enum\nfrom types import SimpleNamespace\n@dataclasses.dataclass\nclass Place:\n    x: float\n    tags: list\nPair = collections.namedtuple('Pair', 'a b')\ndef f(info, inputs, outputs, other):\n${body.replaceAll(/^/gm, '    ')}\n`, ...more }, async (host) => (await host.tile()).reply.result);

  it('takes values of numpy and Python as JSON has them', async () => {
    const cases: [string, unknown][] = [
      ['numpy.float32(0.5)', 0.5],
      ['numpy.arange(4, dtype="uint8").reshape(2, 2)', [[0, 1], [2, 3]]],
      ['numpy.array([1.5, numpy.nan, numpy.inf, -numpy.inf])', [1.5, 'nan', 'inf', '-inf']],
      ['numpy.ma.masked_equal([1, 2], 2)', [1, null]],
      ['numpy.bool_(True)', true],
      ['float("nan")', 'nan'],
      ['{3: "a", numpy.int64(4): (1, 2), True: None, "x": {"y"}}', { 3: 'a', 4: [1, 2], true: null, x: ['y'] }],
      ['Place(1.0, [numpy.int16(3)])', { x: 1, tags: [3] }],
      ['Pair(1, 2)', { a: 1, b: 2 }],
      ['collections.Counter("aab")', { a: 2, b: 1 }],
      ['SimpleNamespace(n=numpy.zeros(2))', { n: [0, 0] }],
      ['datetime.date(2024, 5, 6)', '2024-05-06'],
      ['numpy.datetime64("2024-05-06")', '2024-05-06'],
      ['pathlib.Path("/a/b")', '/a/b'],
      ['0', 0],
      ['False', false],
      ['"a\\nb\\ud800"', 'a\nb\ud800'],
    ];
    assert.deepEqual(await resultOf(`return [${cases.map(([value]) => value).join(', ')}]`), cases.map(([, wanted]) => wanted));
    assert.equal(await resultOf('pass'), undefined);
  });

  it('says where in the value something is that JSON has no place for', async () => {
    const cases: [string, RegExp][] = [
      ['{"a": [1, {2}, open("/dev/null")]}', /what f returned\['a'\]\[2\] is a value of type _io\.TextIOWrapper/],
      ['[1j]', /what f returned\[0\] is a value of type builtins\.complex/],
      ['b"x"', /what f returned is a value of type builtins\.bytes/],
      ['f', /what f returned is a value of type builtins\.function/],
      ['{(1, 2): 3}', /what f returned has a key \(1, 2\) of type tuple/],
      ['numpy.zeros(5000000)', /the result is \d+ MiB of JSON; wanted 16 MiB at most: pixels belong into an output/],
      ['(lambda a: (a.append(a), a)[1])([])', /^what f returned(\[0\]){5,20}(\[0?)?… is nested more than 100 deep, or contains itself$/],
    ];
    for (const [value, wanted] of cases) {
      await withHost({ code: `import numpy\ndef f(info, inputs, outputs):\n    return ${value}\n` }, async (host) => {
        const { kind, message } = await host.failure();
        assert.equal(kind, 'output', value);
        assert.match(message, wanted);
      });
    }
  });

  it('takes what has changed in otherargs, however deep, when nothing is returned', async () => {
    const parameters = { count: 1, kept: { deep: [1, 2] }, words: ['a'] };
    assert.deepEqual(await resultOf('other.count += 1', { parameters }), { count: 2 });
    assert.deepEqual(await resultOf('other.kept["deep"].append(3); other.new = numpy.arange(2); other._private = open', { parameters }), { kept: { deep: [1, 2, 3] }, new: [0, 1] });
    assert.equal(await resultOf('other.count = 1; other.words = ["a"]', { parameters }), undefined);
    assert.deepEqual(await resultOf('other.count = 5; return "said"', { parameters }), 'said');
  });

  it('begins each tile with the same otherargs, unless the run is serial', async () => {
    const code = 'def f(info, inputs, outputs, other):\n    other.tiles.append(info.getBlockCount()[0])';
    for (const serial of [false, true]) {
      await withHost({ code, serial, parameters: { tiles: [] }, grid: { columns: 24, rows: 8 } }, async (host) => {
        const results: unknown[] = [];
        await host.tile({ column: 0, probe: true });
        for (const column of [0, 1, 2]) results.push((await host.tile({ column })).reply.result);
        assert.deepEqual(results, serial ? [{ tiles: [0] }, { tiles: [0, 1] }, { tiles: [0, 1, 2] }] : [{ tiles: [0] }, { tiles: [1] }, { tiles: [2] }]);
      });
    }
  });

  it('refuses a serial run that goes on in another process, instead of losing what was kept', async () => {
    await withHost({ code: 'def f(info, inputs, outputs, other):\n    pass', serial: true, grid: { columns: 24, rows: 8 } }, async (host) => {
      assert.match((await host.failure({ column: 1 })).message, /a serial run begins at tile 1, so what earlier tiles have left in otherargs is lost/);
      await host.tile({ column: 0 });
      await host.tile({ column: 1 });
      assert.match((await host.failure({ column: 1 })).message, /is at tile 1 after tile 1/);
    });
  });
});

describe('pickled functions', { skip: withoutCloudpickle }, () => {
  /** What cloudpickle makes of `(f, other)` of a program. */
  const pickled = (program: string, header = false): Buffer => {
    const { stdout, stderr, status } = spawnSync(python, ['-c', `import cloudpickle, sys, pickle\n${program}\nout = sys.stdout.buffer\n${header ? 'out.write(pickle.dumps({"tilefan": 1, "python": [3, 1]}))\n' : ''}out.write(cloudpickle.dumps((f, other)))`], { env: { ...process.env, PYTHONPATH: packageFolder } });
    assert.equal(status, 0, stderr.toString());
    return stdout;
  };
  const unpickled = (result: unknown, expression: string): unknown => {
    const { otherargs } = result as { otherargs: string };
    const { stdout, stderr } = spawnSync(python, ['-c', `import base64, pickle, json\nother = pickle.loads(base64.b64decode(${JSON.stringify(otherargs)}))\nprint(json.dumps(${expression}))`], { encoding: 'utf8', env: { ...process.env, PYTHONPATH: packageFolder } });
    assert.notEqual(stdout, '', stderr);
    return JSON.parse(stdout);
  };
  const program = `
from tilefan.blocks import OtherInputs
other = OtherInputs()
other.seen, other.n = [], 0
def g(x): return x + 1
def f(info, inputs, outputs, o):
    o.seen.append(info.getBlockCount()[0])
    o.n = g(o.n)
`;
  const grid = { columns: 24, rows: 8 };

  it('gives each tile its own copy, and gives it back', async () => {
    await withHost({ code: pickled(program), file: 'f.pkl', function: null, grid }, async (host) => {
      for (const column of [0, 1, 2]) assert.deepEqual(unpickled((await host.tile({ column })).reply.result, '[other.seen, other.n]'), [[column], 1]);
    });
  });

  it('keeps one object in a serial run, and gives it back after the last tile', async () => {
    await withHost({ code: pickled(program), file: 'f.pkl', function: null, grid, serial: true }, async (host) => {
      assert.equal((await host.tile({ column: 0 })).reply.result, undefined);
      assert.equal((await host.tile({ column: 1 })).reply.result, undefined);
      assert.deepEqual(unpickled((await host.tile({ column: 2 })).reply.result, '[other.seen, other.n]'), [[0, 1, 2], 3]);
    });
  });

  it('calls with three arguments when there are no otherargs, and takes no notice of what is returned, as RIOS', async () => {
    await withHost({ code: pickled('other = None\ndef f(info, inputs, outputs):\n    return 5'), file: 'f.pkl', function: null }, async (host) => {
      assert.equal((await host.tile()).reply.result, undefined);
    });
  });

  it('calls files as the script does, though a list of inputs and an output have one name', async () => {
    const header = 'import pickle; out.write(pickle.dumps({"tilefan": 1, "python": list(sys.version_info[:2]), "names": {"inputLists": {"img": ["a", "b"]}, "outputLists": {"all": ["x", "y"]}}}))';
    const program = 'other = None\ndef f(info, inputs, outputs):\n    outputs.img = inputs.img[0] + inputs.img[1]\n    outputs.all = inputs.img\n';
    await withHost({ code: pickled(`${program}out = sys.stdout.buffer\n${header}`), file: 'f.pkl', function: null, inputs: [{ name: 'a' }, { name: 'b' }], outputs: ['img', 'x', 'y'].map((name) => ({ name, dtype: 'uint16' })) }, async (host) => {
      const { arrays } = await host.tile({ arrays: [new Uint16Array(64).fill(3), new Uint16Array(64).fill(4)] });
      assert.deepEqual(arrays.map((array) => array[0]), [7, 3, 4]);
    });
  });

  it('refuses a pickle of another Python, whose bytecode it can\'t run', async () => {
    const { kind, message } = await refusalOf({ code: pickled('other = None\ndef f(info, inputs, outputs): pass', true), file: 'f.pkl', function: null });
    assert.equal(kind, 'requirement');
    assert.match(message, /pickled by Python 3\.1, which .* can't run; wanted the same minor version/);
  });
});

describe('prints', { skip }, () => {
  it('never get among the replies, however they are printed', async () => {
    const code = `
import os, sys, ctypes, subprocess
print('at import')
def f(info, inputs, outputs):
    print('{"done":{"id":0}}')
    os.write(1, b'raw\\n')
    ctypes.CDLL(None).puts(b'from C')
    subprocess.run(['sh', '-c', 'echo child; echo {} >&4; echo {} >&3'])
    print('\\udcff', file=sys.stderr)
    for fd in (3, 4, 5):
        try:
            os.write(fd, b'{"done":{"id":99,"outputs":[]}}\\n')
        except OSError:
            pass
    sys.stdout = None
`;
    await withHost({ code }, async (host) => {
      assert.deepEqual((await host.tile()).reply, { id: 0, outputs: [] });
      assert.deepEqual((await host.tile()).reply, { id: 1, outputs: [] });
      await sleep(100);
      for (const words of ['at import\n', '{"done":{"id":0}}\n', 'raw\n', 'from C\n', 'child\n']) assert.ok(host.stdout.includes(words), words);
      assert.match(host.stderr, /\\udcff/);
    });
  });

  it('may be many: a hundred megabytes do not hold up a tile, nor fill the memory', async () => {
    const code = 'def f(info, inputs, outputs):\n    line = "x" * 9999\n    for _ in range(10000):\n        print(line)\n    return 1';
    await withHost({ code }, async (host) => {
      assert.equal((await host.tile()).reply.result, 1);
      while (host.stdoutBytes < 100_000_000) await sleep(10);
      assert.equal(host.stdoutBytes, 100_000_000);
    });
  });
});

describe('its end', { skip }, () => {
  it('comes with the end of its requests, though threads of the function go on', async () => {
    const code = 'import threading, time\nthreading.Thread(target=lambda: time.sleep(1000)).start()\ndef f(info, inputs, outputs): pass';
    await withHost({ code }, async (host) => {
      await host.tile();
      host.hangUp();
      await host.ended;
      assert.equal(host.child.exitCode, 0);
    });
  });

  it('comes with the worker that started it, even while a function hangs', { skip: process.platform === 'linux' ? false : 'prctl is of Linux' }, async () => {
    // A Node of its own starts the host, calls a function that sleeps, and is killed.
    const worker = `
import { PythonHost } from ${JSON.stringify(new URL('support/host.ts', import.meta.url).href)};
const host = new PythonHost({ code: 'import time\\ndef f(info, inputs, outputs):\\n    print("in", flush=True)\\n    time.sleep(1000)' });
await host.ready();
host.child.stdout.once('data', () => { console.log(host.child.pid); process.kill(process.pid, 'SIGKILL'); });
await host.tile();
`;
    const folder = mkdtempSync(join(tmpdir(), 'tilefan-killed-'));
    const { stdout } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', worker], { encoding: 'utf8', env: { ...process.env, TMPDIR: folder } });
    rmSync(folder, { recursive: true, force: true });
    const pid = Number(stdout);
    assert.ok(pid > 0, stdout);
    for (let i = 0; i < 100 && isAlive(pid); i++) await sleep(20);
    assert.equal(isAlive(pid), false);
  });

  it('does not come with a failing tile', async () => {
    const code = 'def f(info, inputs, outputs):\n    return 1 / info.getBlockCount()[0]';
    await withHost({ code, grid: { columns: 16, rows: 8 } }, async (host) => {
      assert.equal((await host.failure()).type, 'ZeroDivisionError');
      assert.equal((await host.tile({ column: 1 })).reply.result, 1);
    });
  });
});

function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${String(pid)}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}
