/** What a job's operation needs: how it is written, and what is found where it runs. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { satisfies } from '@renovatebot/pep440';
import fc from 'fast-check';
import { JobError } from '../../../lib/base/errors.ts';
import { checkRequirements, missingRequirements } from '../../../lib/code/requirements/check-requirements.ts';
import { checkRequirementTexts, parseRequirement } from '../../../lib/code/requirements/parse-requirement.ts';
import { gdalPython, runPythonJson, withoutGdal } from '../../support/gdal.ts';
import { createWorkspace, type Workspace } from '../../support/workspace.ts';

/** Python's own comparison of versions: packaging, or the copy of it that pip has. */
const packaging = 'import json, sys\ntry:\n  from packaging.specifiers import SpecifierSet, InvalidSpecifier\nexcept ImportError:\n  from pip._vendor.packaging.specifiers import SpecifierSet, InvalidSpecifier\n';
const judge = ['python3', gdalPython].find((python) => spawnSync(python, ['-c', packaging]).status === 0);
const withoutPackaging: string | false = judge === undefined ? 'needs a Python with packaging or pip, to compare versions as they do' : false;

describe('requirements', () => {
  let workspace: Workspace;
  before(() => (workspace = createWorkspace('requirements')));
  after(() => workspace.remove());

  // Catches: a form that the documentation shows and that isn't understood.
  void it('are read', () => {
    assert.deepEqual(parseRequirement('numpy>=1.24'), { kind: 'package', name: 'numpy', range: '>=1.24' });
    assert.deepEqual(parseRequirement(' scikit-learn >= 1.3, <2 '), { kind: 'package', name: 'scikit-learn', range: '>= 1.3, <2' });
    assert.deepEqual(parseRequirement('dask[array]~=2024.1'), { kind: 'package', name: 'dask', range: '~=2024.1' });
    assert.deepEqual(parseRequirement('scipy'), { kind: 'package', name: 'scipy', range: '' });
    assert.deepEqual(parseRequirement('zarr==2.*'), { kind: 'package', name: 'zarr', range: '==2.*' });
    assert.deepEqual(parseRequirement('Python>=3.9'), { kind: 'python', range: '>=3.9' });
    assert.deepEqual(parseRequirement('node>=24'), { kind: 'node', range: '>=24' });
    assert.deepEqual(parseRequirement('program:gdal_sieve.py'), { kind: 'program', name: 'gdal_sieve.py' });
    assert.deepEqual(parseRequirement('program: /opt/x/y'), { kind: 'program', name: '/opt/x/y' });
  });

  // Catches: a text that is taken for something that is always met, or never.
  void it('that mean nothing are named with their place', () => {
    const wrong = ['', 'numpy 1.24', 'numpy>1.24 or so', 'numpy>=', 'numpy>=1.2,', 'numpy=>1.2', 'numpy=1.2', '>=3', 'git+https://x/y', './numpy.whl', 'numpy; python_version<"3.9"', 'program:', 'program:bin/x', 'program:gdalwarp>=3', 'node>=v24x'];
    const problems = checkRequirementTexts(['numpy', ...wrong]);
    assert.deepEqual(problems.map(({ path }) => path), wrong.map((_, i) => `$.operation.requirements[${String(i + 1)}]`));
    for (const [i, { message }] of problems.entries()) assert.ok(message.startsWith(JSON.stringify(wrong[i])), message);
    const messages = problems.map(({ message }) => message).join('\n');
    for (const word of [/wanted a Python package \(numpy, scipy>=1\.10\), python>=3\.9, node>=24, or a program/, /">=" where a version was wanted/, /names no program/, /relative path bin\/x/, /version of a program/]) assert.match(messages, word);
  });

  // Catches: versions compared as text (1.10 before 1.9), or otherwise than pip does.
  void it('compare versions as Python does', { skip: withoutPackaging }, () => {
    const number = fc.constantFrom(0, 1, 2, 9, 10, 24);
    const release = fc.array(number, { minLength: 3, maxLength: 3 }).map((parts) => parts.join('.'));
    const version = fc.tuple(release, fc.constantFrom('', '', '', 'rc1', 'a2', '.post1', '.dev3', '+dfsg', '+cu121')).map((parts) => parts.join(''));
    const wanted = fc.tuple(fc.array(number, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('.')), fc.constantFrom('', '', '', 'rc1')).map((parts) => parts.join(''));
    const plain = fc.tuple(fc.constantFrom('>=', '<=', '==', '!=', '>', '<'), wanted).map((parts) => parts.join(''));
    const compatible = fc.array(number, { minLength: 2, maxLength: 3 }).map((parts) => `~=${parts.join('.')}`);
    const starred = fc.tuple(fc.constantFrom('==', '!='), fc.array(number, { minLength: 1, maxLength: 2 })).map(([operator, parts]) => `${operator}${parts.join('.')}.*`);
    const range = fc.array(fc.oneof(plain, compatible, starred), { minLength: 1, maxLength: 2 }).map((parts) => parts.join(','));
    const cases = fc.sample(fc.tuple(version, range), { numRuns: 3000, seed: 5 });
    writeFileSync(workspace.path('cases.json'), JSON.stringify(cases));
    const answer = spawnSync(judge ?? '', ['-c', `${packaging}print(json.dumps([SpecifierSet(r).contains(v, prereleases=True) for v, r in json.load(open(sys.argv[1]))]))`, workspace.path('cases.json')], { encoding: 'utf8', maxBuffer: 1e8 });
    assert.equal(answer.status, 0, answer.stderr);
    const expected = JSON.parse(answer.stdout) as boolean[];
    const differences = cases.flatMap(([found, wants], i) => (satisfies(found, wants, { prereleases: true }) === expected[i] ? [] : [`${found} ${wants}: Python says ${String(expected[i])}`]));
    assert.deepEqual(differences, []);
    assert.ok(expected.filter(Boolean).length > 300, 'enough that are met');
  });

  // Catches: names of modules, of distributions and of programs that are not found, and a Python started for each.
  void it('that are met say nothing', { skip: withoutGdal }, async () => {
    const bin = workspace.path('counting');
    mkdirSync(bin);
    writeFileSync(`${bin}/python`, `#!/bin/sh\necho x >> "${bin}/count"\nexec ${gdalPython} "$@"\n`);
    chmodSync(`${bin}/python`, 0o755);
    const versions = runPythonJson('import json, numpy, sys; from osgeo import gdal; print(json.dumps({"numpy": numpy.__version__, "gdal": gdal.__version__, "python": "%d.%d.%d" % sys.version_info[:3]}))') as Record<'numpy' | 'gdal' | 'python', string>;
    await checkRequirements(
      ['numpy', `numpy==${versions.numpy}`, `NumPy>=1.2,<1000`, `gdal>=${versions.gdal}`, `GDAL~=${versions.gdal}`, `osgeo==${versions.gdal}`, `python==${versions.python}`, 'json', `node==${process.versions.node}`, 'program:gdal_sieve.py', 'program:/bin/sh'],
      { python: `${bin}/python`, env: process.env },
    );
    assert.equal(readFileSync(`${bin}/count`, 'utf8'), 'x\n', 'Python was started once');
    await checkRequirements(['node>=24', 'program:sh'], { python: `${bin}/none`, env: process.env });
    assert.equal(readFileSync(`${bin}/count`, 'utf8'), 'x\n', 'and not where nothing needs it');
  });

  // Catches: an error that stops at the first, or doesn't say what there is instead.
  void it('that are not met are all listed, with what there is instead', { skip: withoutGdal }, async () => {
    const requirements = ['numpy>=99', 'numpy>=1.2', 'no-such-package', 'no_such.module', 'python<3', 'node<20', 'program:no_such_program', 'program:/etc/passwd', 'json>=1'];
    const options = { python: gdalPython, env: { PATH: ['/usr/bin', '/bin'].join(delimiter) } };
    const missing = await missingRequirements(requirements, options);
    assert.deepEqual(missing.map(({ wanted }) => wanted), requirements.filter((text) => text !== 'numpy>=1.2'));
    const found = Object.fromEntries(missing.map(({ wanted, found: instead }) => [wanted, instead]));
    assert.match(found['numpy>=99'] ?? '', /^version 1\.\d+|^version \d+/);
    assert.match(found['no-such-package'] ?? '', /no such package for Python 3\.\d+\.\d+ \(.*python/);
    assert.match(found['python<3'] ?? '', /^Python 3\./);
    assert.match(found['node<20'] ?? '', /^Node \d+/);
    assert.equal(found['program:no_such_program'], 'none of that name in PATH (/usr/bin:/bin)');
    assert.equal(found['program:/etc/passwd'], 'no such program that may be run');
    assert.equal(found['json>=1'], 'it, but nothing says which version');
    await assert.rejects(checkRequirements(requirements, options), (error: unknown) => {
      assert.ok(error instanceof JobError);
      assert.equal(error.code, 'REQUIREMENT_MISSING');
      assert.match(error.message, /^The operation needs what is not here, 8 of 9 requirements:\n {2}numpy>=99: found version/);
      for (const word of ['no_such.module: found no such package', 'EXTRA_PACKAGES', 'PIP_PACKAGES', 'FROM tilefan']) assert.ok(error.message.includes(word), word);
      assert.deepEqual(error.where['requirements'], missing);
      return true;
    });
  });

  // Catches: a machine without Python, or with one that can't start, reported as something else.
  void it('are not met where there is no Python', async () => {
    const none = await missingRequirements(['numpy', 'python>=3.9', 'node>=24'], { python: '/opt/none/python3', env: process.env });
    assert.deepEqual(none.map(({ wanted }) => wanted), ['numpy', 'python>=3.9']);
    assert.match(none[0]?.found ?? '', /no Python: \/opt\/none\/python3 can't be asked \(.*ENOENT/);
    writeFileSync(workspace.path('broken'), '#!/bin/sh\necho "ImportError: no module named encodings" >&2\nexit 1\n');
    chmodSync(workspace.path('broken'), 0o755);
    const broken = await missingRequirements(['numpy'], { python: workspace.path('broken'), env: process.env });
    assert.match(broken[0]?.found ?? '', /can't be asked \(ImportError: no module named encodings\)/);
    assert.ok(existsSync(workspace.folder));
  });

  // Catches: metadata of a package whose version Python itself can't read, as some of Debian's are.
  void it('find packages with odd versions, and none of the working directory', { skip: withoutGdal }, async () => {
    const site = workspace.path('site');
    mkdirSync(`${site}/odd-1.0~dfsg.dist-info`, { recursive: true });
    writeFileSync(`${site}/odd-1.0~dfsg.dist-info/METADATA`, 'Metadata-Version: 2.1\nName: odd\nVersion: 1.0~dfsg\n');
    const options = { python: gdalPython, env: { ...process.env, PYTHONPATH: site } };
    assert.deepEqual(await missingRequirements(['odd'], options), []);
    assert.deepEqual(await missingRequirements(['odd>=0.1'], options), [{ wanted: 'odd>=0.1', found: 'version 1.0~dfsg' }]);
  });
});
