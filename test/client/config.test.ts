/** Defaults of a project: which file counts, what wins over what, and what the file may not say. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { Command, Option } from 'commander';
import { applyConfig, computeOf, findConfigFile, readConfig, withCompute } from '../../cli/config-file.ts';
import { runCli } from '../support/cli.ts';
import { createWorkspace } from '../support/workspace.ts';

const space = createWorkspace('config');
after(() => space.remove());

/** A folder with a config in it, and one below. */
function project(config: unknown): { readonly folder: string; readonly below: string; readonly file: string } {
  const folder = space.newFolder();
  const file = `${folder}/tilefan.config.json`;
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config));
  const below = `${folder}/a/b`;
  mkdirSync(below, { recursive: true });
  return { folder, below, file };
}

async function refusal(config: unknown, env: Record<string, string> = {}): Promise<string> {
  const { folder } = project(config);
  return await readConfig(folder, env).then(() => assert.fail('it was taken'), (error: unknown) => (error as Error).message);
}

describe('tilefan.config.json', () => {
  void it('is the nearest one above, or the one that is named', async () => {
    const { folder, below, file } = project({ region: 'eu-west-1', work: 'runs' });
    assert.equal(findConfigFile(below, {}), file);
    // Paths count from the file, wherever the user is.
    assert.deepEqual(await readConfig(below, {}), { region: 'eu-west-1', work: `${folder}/runs` });
    writeFileSync(`${folder}/a/tilefan.config.json`, '{}');
    assert.deepEqual(await readConfig(below, {}), {});
    assert.deepEqual(await readConfig(below, { TILEFAN_CONFIG: file }), await readConfig(folder, {}));
    assert.deepEqual(await readConfig(below, { TILEFAN_CONFIG: '' }), {});
    await assert.rejects(readConfig(below, { TILEFAN_CONFIG: 'none.json' }), { code: 'CONFIG_UNREADABLE', message: /^there is no file \/.*none\.json, which TILEFAN_CONFIG names/ });
  });

  // Catches: a file that overrules what a shell has set, and a profile that takes the place of a role's credentials.
  void it('comes after the environment', async () => {
    const { folder } = project({ region: 'eu-west-1', profile: 'mine', stage: 'prod', cpu: 4, memory: '16 GiB' });
    assert.deepEqual(await readConfig(folder, { TILEFAN_STAGE: 'test', TILEFAN_CPU: '2', AWS_DEFAULT_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'a' }), { stage: 'test', cpu: 2, memory: '16 GiB' });
    assert.deepEqual(await readConfig(folder, { AWS_PROFILE: 'other' }), { region: 'eu-west-1', stage: 'prod', cpu: 4, memory: '16 GiB' });
  });

  void it('is refused with file, field and what was found, all problems at once', async () => {
    const message = await refusal({ region: 'Ireland', workers: 0, cpuu: 4, architecture: 'arm' });
    assert.match(message, /tilefan\.config\.json is not valid:/);
    assert.match(message, /region: wanted a region such as eu-west-1; found "Ireland"/);
    assert.match(message, /workers: wanted at least 1; found 0/);
    assert.match(message, /cpuu: unknown field; did you mean "cpu"\?/);
    assert.match(message, /architecture: wanted "ARM64", "X86_64"; found "arm"/);
    assert.match(await refusal('{"a"'), /tilefan\.config\.json can't be read as JSON/);
    assert.match(await refusal({}, { TILEFAN_WORKERS: 'many' }), /the environment is not valid:\n {2}TILEFAN_WORKERS: .*found "many"/);
  });

  // Catches: settings of Covalent's executor that are taken in silence, and mean nothing here.
  void it('says of what a deployment decides where that is', async () => {
    for (const [field, words] of [['cluster', /stack has a cluster/], ['ecs_task_role_name', /roles of its tasks/], ['ecs_task_subnet_id', /subnetIds/], ['ecs_task_security_group_id', /securityGroupIds/], ['ecs_task_log_group_name', /tilefan logs/], ['logGroup', /logRetentionDays/], ['vcpu', /wanted "cpu"/], ['s3_bucket_name', /wanted "folder"/], ['poll_freq', /2 to 10 seconds/]] as const) {
      assert.match(await refusal({ [field]: 'x' }), new RegExp(`${field}: .*${words.source}`));
    }
  });
});

describe('the command line', () => {
  const command = (args: string[]): Command => {
    const made = new Command('submit').exitOverride().addOption(new Option('--region <R>')).addOption(new Option('--stage <S>').env('TILEFAN_STAGE').default('dev')).addOption(new Option('--state-machine <ARN>')).argument('[run]').action(() => undefined);
    return made.parse(args, { from: 'user' });
  };
  const applied = async (config: object, args: string[], env: Record<string, string> = {}): Promise<Record<string, unknown>> => {
    const { file } = project(config);
    const before = { ...process.env };
    Object.assign(process.env, { TILEFAN_CONFIG: file, ...env });
    for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION']) if (env[name] === undefined) delete process.env[name];
    try {
      const made = command(args);
      await applyConfig(made);
      return made.opts();
    } finally {
      for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
      Object.assign(process.env, before);
    }
  };

  void it('takes option before environment before file before default', async () => {
    const config = { stage: 'file', region: 'eu-west-1', cpu: 4 };
    assert.deepEqual(await applied(config, []), { stage: 'file', region: 'eu-west-1', compute: { cpu: 4 } });
    assert.deepEqual((await applied(config, [], { TILEFAN_STAGE: 'env' }))['stage'], 'env');
    assert.deepEqual((await applied(config, ['--stage', 'option'], { TILEFAN_STAGE: 'env' }))['stage'], 'option');
    assert.deepEqual((await applied({}, []))['stage'], 'dev');
  });

  // Catches: a command about a run of one region that asks in another one.
  void it('leaves the region to an ARN, and the state machine to a stage that was asked for', async () => {
    const stateMachine = 'arn:aws:states:eu-west-1:123456789012:stateMachine:x';
    assert.equal((await applied({ region: 'eu-west-1' }, ['arn:aws:states:us-east-1:123456789012:execution:x:y']))['region'], undefined);
    assert.equal((await applied({ stateMachine }, []))['stateMachine'], stateMachine);
    assert.equal((await applied({ stateMachine }, ['--stage', 'test']))['stateMachine'], undefined);
  });

  void it('gives a job what it leaves open only', () => {
    const defaults = computeOf({ cpu: 4, memory: '16 GiB', capacity: undefined });
    assert.deepEqual(withCompute({ name: 'a', compute: { cpu: 2 } }, defaults), { name: 'a', compute: { cpu: 2, memory: '16 GiB' } });
    const job = { name: 'a' };
    assert.equal(withCompute(job, {}), job);
  });

  // Catches: a file that the program doesn't look for, and a runs' folder that depends on where one is.
  void it('keeps runs where the file says, and refuses a wrong one before anything is done', async () => {
    const { folder, below } = project({ work: 'kept' });
    writeFileSync(`${folder}/f.ts`, 'export function f({ a }: { a: number }): number { return a + 1; }\n');
    writeFileSync(`${folder}/job.json`, JSON.stringify({ name: 'one', items: { parameters: [{ a: 1 }] }, operation: { module: 'f.ts', function: 'f' } }));
    const ran = await runCli(['run', '../../job.json', '--run', 'one', '--json'], { cwd: below });
    assert.equal(ran.exitCode, 0, ran.stderr);
    const results = await runCli(['results', 'one'], { cwd: folder });
    assert.equal(results.exitCode, 0, results.stderr);
    assert.deepEqual(JSON.parse(results.stdout), { index: 0, item: null, path: '00000000', parameters: { a: 1 }, ok: true, value: 2, outputs: [] });
    writeFileSync(`${folder}/tilefan.config.json`, '{"cluster": "mine"}');
    const refused = await runCli(['run', '../../job.json'], { cwd: below });
    assert.equal(refused.exitCode, 64);
    assert.match(refused.stderr, /tilefan\.config\.json is not valid:\n {2}cluster: the stack has a cluster of its own \[CONFIG_INVALID\]|cluster: the stack has a cluster/);
  });
});
