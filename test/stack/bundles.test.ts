/** What the packages of the functions are made of. Each start of a function loads its bundle, so what only workers use has no place there. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { suite, test } from 'node:test';
import { buildSync } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Bundle {
  /** Packages of node_modules that are in it. */
  readonly packages: ReadonlySet<string>;
  /** Files of the project that are in it. */
  readonly files: readonly string[];
  readonly bytes: number;
}

/** As serverless.yml has them made. */
function bundleOf(name: string): Bundle {
  const { metafile } = buildSync({ absWorkingDir: root, entryPoints: [`functions/${name}/handler.ts`], bundle: true, write: false, metafile: true, platform: 'node', format: 'esm', target: 'node24', keepNames: true, outdir: 'out', external: ['sharp', 'lerc', '@aws-sdk/*'], logLevel: 'error' });
  const [output] = Object.values(metafile.outputs);
  const inputs = Object.keys(output?.inputs ?? {});
  return {
    packages: new Set(inputs.flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? [])),
    files: inputs.filter((path) => !path.includes('node_modules/')),
    bytes: output?.bytes ?? 0,
  };
}

/** What looks at code, runs it, or decodes images. */
const workersOnly = ['esbuild', 'onnxruntime-node', 'onnxruntime-common', 'sharp', 'aws-local-stepfunctions', 'chokidar', 'commander'];
const workersFiles = [/^lib\/code\/(?:node-host|bundle|code-process|native-addons)/, /^lib\/images\/(?!variant-spec|image-limits)/, /^lib\/job\/items\/(?:image-items|function-items|prepare-items|item-batch\.)/, /^(?:local|cli|containers|python)\//];

suite('bundles of functions', () => {
  for (const [name, mostKiB] of [['start', 650], ['split', 3_700], ['reduce', 1_200], ['tidy', 450], ['fail-batch', 250]] as const) {
    // Catches: an import that brings along a compiler, an interpreter of models, or a library for images; and one that brings along much of anything.
    test(`${name} has nothing that only workers use`, () => {
      const { packages, files, bytes } = bundleOf(name);
      assert.deepEqual(workersOnly.filter((each) => packages.has(each)), []);
      assert.deepEqual(files.filter((file) => workersFiles.some((pattern) => pattern.test(file))), []);
      assert.ok(bytes < mostKiB * 1024, `wanted less than ${String(mostKiB)} KiB, found ${String(Math.round(bytes / 1024))}`);
    });
  }

  // Catches: a template that is read from a file which no package has.
  test('start and split have the templates that are built in', () => {
    for (const name of ['start', 'split']) assert.ok(bundleOf(name).files.includes('examples/photos/template.json'), name);
  });
});
