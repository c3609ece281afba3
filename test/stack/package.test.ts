/**
 * The packaged template, which is the product where there is no account to try it in: golden copies of the worked examples on both architectures, the
 * definition, the bundles, and what the packager says of wrong parameters. What templates must hold, and what other people's checkers say of them, is in
 * checks.test.ts; roles are in iam.test.ts. After a wanted change: TILEFAN_UPDATE_GOLDEN=1 npm test -- test/stack/package.test.ts
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { isObject } from '../../local/adapt-definition.ts';
import type { Json } from '../../local/engine.ts';
import { ofType, packageStack, runPackager, walk, type PackagedStack, type Template } from '../support/packaged-stack.ts';
import { readDefinition } from '../support/state-machine.ts';
import { readZip } from '../support/zip.ts';

const require = createRequire(import.meta.url);

const examples = [
  { name: 'defaults', own: 'ARM64', other: { architecture: 'X86_64' } },
  { name: 'existing-kms', own: 'ARM64', other: { architecture: 'X86_64' } },
  // There is no ECS-optimised AMI for GPUs and ARM64, so the instances stay what they are.
  { name: 'gpu', own: 'X86_64', other: { architecture: 'ARM64', ec2Architecture: 'X86_64' } },
] as const;

/** What changes from one packaging to the next, or is compared elsewhere, replaced. */
function normalised(template: Template): Json {
  const text = JSON.stringify(template).replace(/serverless\/[^"]*\/(\w+\.zip)/g, 'serverless/<when>/$1');
  const copy = JSON.parse(text) as { Resources: { Pipeline: { Properties: Record<string, Json> } } };
  copy.Resources.Pipeline.Properties['DefinitionString'] = '<statemachines/tile-pipeline.asl.json>';
  return copy;
}

/** Paths at which two documents differ, with what is there in each; what is there in one of them only is null in the other. */
function differences(a: Json, b: Json): Record<string, readonly [Json, Json]> {
  const leaves = (value: Json): Map<string, Json> => new Map([...walk(value)].filter(([, each]) => typeof each !== 'object' || each === null));
  const [inA, inB] = [leaves(a), leaves(b)];
  const paths = [...new Set([...inA.keys(), ...inB.keys()])].filter((path) => inA.get(path) !== inB.get(path));
  return Object.fromEntries(paths.map((path) => [path, [inA.get(path) ?? null, inB.get(path) ?? null]]));
}

function compareWithGolden(name: string, found: Json): void {
  const golden = new URL(`golden/${name}.json`, import.meta.url);
  const text = `${JSON.stringify(found, undefined, 2)}\n`;
  if (process.env['TILEFAN_UPDATE_GOLDEN'] === '1') writeFileSync(golden, text);
  assert.equal(text, readFileSync(golden, 'utf8'), 'the template changed; if that is wanted, run once with TILEFAN_UPDATE_GOLDEN=1');
}

interface Diagnostic {
  readonly severity: string;
  readonly ruleId: string;
  readonly message: string;
}

function validate(templateFile: string): readonly Diagnostic[] {
  interface Validator {
    readonly CompositeEngine: new () => { validateTemplate(file: unknown): { readonly diagnostics: readonly Diagnostic[] }; free(): void };
    readonly TemplateFile: new (path: string) => unknown;
  }
  // Bundled in aws-cdk-lib, so it is found from there.
  const { CompositeEngine, TemplateFile } = createRequire(require.resolve('aws-cdk-lib'))('@aws/cloudformation-validate') as Validator;
  const engine = new CompositeEngine();
  try {
    return engine.validateTemplate(new TemplateFile(templateFile)).diagnostics;
  } finally {
    engine.free();
  }
}

for (const { name, own, other } of examples) {
  suite(`the example ${name}`, () => {
    const deployment = `examples/deployments/${name}.yml`;
    let stack: PackagedStack;
    let onOther: PackagedStack;
    before(async () => {
      [stack, onOther] = await Promise.all([packageStack({ deployment }), packageStack({ deployment, ...other })]);
    });
    after(() => {
      for (const { folder } of [stack, onOther]) rmSync(folder, { recursive: true, force: true });
    });

    test('is the golden template', () => compareWithGolden(name, normalised(stack.template)));

    test(`differs from itself on ${other.architecture} where it should`, () => {
      compareWithGolden(`${name}-${other.architecture}`, differences(normalised(stack.template), normalised(onOther.template)));
    });

    test('CloudFormation has no objection, not even a warning, on either architecture', () => {
      for (const { templateFile } of [stack, onOther]) {
        const diagnostics = validate(templateFile);
        assert.ok(diagnostics.length > 0, 'the validator says nothing at all, not even hints');
        // W3005: the packager adds a DependsOn where a reference would do.
        assert.deepEqual(diagnostics.filter(({ severity, ruleId }) => severity !== 'INFO' && ruleId !== 'W3005'), []);
      }
    });

    test('functions have the processors of the architecture, and both kinds of tasks can run', () => {
      for (const [each, architecture] of [[stack, own], [onOther, other.architecture]] as const) {
        for (const [fn, { Properties }] of ofType(each.template, 'AWS::Lambda::Function')) assert.deepEqual(Properties['Architectures'], [architecture === 'ARM64' ? 'arm64' : 'x86_64'], fn);
        const processors = ofType(each.template, 'AWS::ECS::TaskDefinition').map(([, { Properties }]) => (Properties['RuntimePlatform'] as { CpuArchitecture: string }).CpuArchitecture);
        assert.deepEqual(new Set(processors), new Set(['ARM64', 'X86_64']));
      }
    });

    test('the state machine in it is the one that runs locally, its placeholders replaced', () => {
      const [, pipeline] = only(ofType(stack.template, 'AWS::StepFunctions::StateMachine'));
      const definition = pipeline.Properties['DefinitionString'];
      assert.ok(isObject(definition) && typeof definition['Fn::Sub'] === 'string', 'Fn::Sub is there');
      assert.deepEqual(JSON.parse(definition['Fn::Sub'].replaceAll('${', '#{')), readDefinition());
    });

    test('no placeholder is left, and every reference has its resource', () => {
      const known = new Set([...Object.keys(stack.template.Resources), ...Object.keys(stack.template.Parameters ?? {})]);
      let references = 0;
      for (const [path, value] of walk(stack.template as unknown as Json)) {
        if (typeof value !== 'string') continue;
        assert.ok(!value.includes('#{') && !value.includes('self:') && !value.includes('[object'), `${path}: ${value.slice(0, 80)}`);
        if (!path.endsWith('.Fn::Sub')) assert.ok(!value.includes('${'), `${path}: ${value.slice(0, 80)}`);
        else {
          for (const [, variable = ''] of value.matchAll(/\$\{([^}]*)\}/g)) {
            references++;
            assert.ok(variable.startsWith('AWS::') || known.has(variable.split('.')[0] ?? ''), `${path}: ${variable}`);
          }
        }
      }
      assert.ok(references > 50, `only ${String(references)} references were looked at`);
    });

    test('its outputs are those that people and commands look for', () => {
      const wanted = ['Dashboard', 'DeadLetterQueueUrl', 'ImageRepository', 'InputBucket', 'OutputBucket', 'PipelineArn', 'UploadQueueArn', 'UploadQueueUrl', 'WorkBucket'];
      assert.deepEqual(Object.keys(stack.template.Outputs ?? {}).filter((output) => !output.startsWith('Serverless')).sort(), wanted);
    });

    if (name === 'defaults') {
      for (const [fn, folder] of [['start', 'start'], ['split', 'split'], ['reduce', 'reduce'], ['tidy', 'tidy'], ['failBatch', 'fail-batch']] as const) {
        test(`the bundle of ${fn} loads by itself and reports errors by class`, () => {
          const files = readZip(readFileSync(join(stack.folder, `${fn}.zip`)));
          const file = join(stack.folder, `${fn}.mjs`);
          writeFileSync(file, files.get(`functions/${folder}/handler.mjs`) ?? assert.fail([...files.keys()].join()));
          const event = fn === 'failBatch' ? { error: 'Batch.GaveUp', cause: 'Batch 12', redrives: 0, execution: {} } : {};
          const call = `const { handler } = await import(${JSON.stringify(file)}); try { await handler(${JSON.stringify(event)}, { awsRequestId: 'test', getRemainingTimeInMillis: () => 1000 }) } catch (error) { console.log(error.name + ' ' + (error.code ?? error.message)) }`;
          const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', call], { cwd: stack.folder, encoding: 'utf8', env: {}, stdio: ['ignore', 'pipe', 'ignore'] });
          const wanted = { failBatch: /^Batch\.GaveUp Batch 12$/, tidy: /^OperationError UNEXPECTED$/ }[fn as string] ?? /^OperationError EVENT_INVALID$/;
          assert.match(printed.trim().split('\n').at(-1) ?? '', wanted);
        });
      }
    }
  });
}

test('another stage has names of its own everywhere', async () => {
  const { folder, template } = await packageStack({}, 'blue');
  rmSync(folder, { recursive: true, force: true });
  const text = JSON.stringify(template);
  assert.ok(!text.includes('tilefan-dev'), 'a name of the stage dev is left');
  assert.ok(text.includes('"tilefan-blue-worker-fargate-arm64"'));
});

test('wrong parameters end the packaging, each in one line, without a stack trace', async () => {
  const { folder, exitCode, printed } = await runPackager({ params: { maxConcurency: '5', cpu: '3', logRetentionDays: '31' } });
  rmSync(folder, { recursive: true, force: true });
  assert.notEqual(exitCode, 0);
  for (const line of [
    '3 things are wrong with the parameters (stage dev, --param):',
    '  maxConcurency: there is no such parameter; did you mean maxConcurrency?',
    '  memory: Fargate has no task of 3 vCPU with 8 GiB; wanted 0.25, 0.5, 1, 2, 4, 8 or 16 vCPU',
  ]) assert.ok(printed.split('\n').includes(line), `${line}\nis not in\n${printed}`);
  assert.match(printed, /^ {2}logRetentionDays: wanted a number of days that CloudWatch Logs knows \(1, 3, .*\), found "31"$/m);
  assert.doesNotMatch(printed, /^\s+at /m);
});

function only<T>(values: readonly T[]): T {
  const [value] = values;
  assert.ok(value !== undefined && values.length === 1, `wanted one, found ${values.length}`);
  return value;
}
