/** How `image` calls docker: a program of that name in PATH that notes its arguments and its standard input. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { DescribeRepositoriesCommand, ECRClient, GetAuthorizationTokenCommand, RepositoryNotFoundException } from '@aws-sdk/client-ecr';
import { mockClient } from 'aws-sdk-client-mock';
import { dockerIn } from '../../../cli/aws/docker.ts';
import { image, type ImageOptions } from '../../../cli/aws/image.ts';
import { projectFolder } from '../../support/cli.ts';
import { createWorkspace } from '../../support/workspace.ts';
import { Text } from './fake-aws.ts';

const space = createWorkspace('image');
after(() => space.remove());

const registry = '123456789012.dkr.ecr.eu-west-1.amazonaws.com';
const password = 'ey/secret+password==';

interface Call {
  readonly args: string[];
  readonly input: string;
}

/** A folder with a docker that ends with 7 when its arguments hold `fails`. */
function fakeDocker(fails?: string): { readonly env: NodeJS.ProcessEnv; readonly calls: () => Call[] } {
  const folder = space.newFolder('bin');
  const notes = `${folder}/notes.jsonl`;
  const script = `#!${process.execPath}
const { appendFileSync, readFileSync, fstatSync } = require('node:fs');
const args = process.argv.slice(2);
const input = fstatSync(0).isCharacterDevice() ? '' : readFileSync(0, 'utf8');
appendFileSync(${JSON.stringify(notes)}, JSON.stringify({ args, input }) + '\\n');
process.exit(args.includes(${JSON.stringify(fails ?? '\0')}) ? 7 : 0);
`;
  writeFileSync(`${folder}/docker`, script);
  chmodSync(`${folder}/docker`, 0o755);
  return { env: { PATH: folder }, calls: () => (existsSync(notes) ? readFileSync(notes, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as Call) : []) };
}

interface Built {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function build(options: Partial<ImageOptions>, env: NodeJS.ProcessEnv, there = true): Promise<Built> {
  const ecr = new ECRClient({ region: 'eu-west-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' } });
  const mock = mockClient(ecr);
  if (there) mock.on(DescribeRepositoriesCommand, { repositoryNames: ['tilefan-dev-worker'] }).resolves({ repositories: [{ repositoryName: 'tilefan-dev-worker', repositoryUri: `${registry}/tilefan-dev-worker`, registryId: '123456789012' }] });
  else mock.on(DescribeRepositoriesCommand).rejects(new RepositoryNotFoundException({ message: 'not found', $metadata: {} }));
  mock.on(GetAuthorizationTokenCommand).resolves({ authorizationData: [{ authorizationToken: Buffer.from(`AWS:${password}`).toString('base64'), proxyEndpoint: `https://${registry}`, expiresAt: new Date() }] });
  const streams = { stdout: new Text(), stderr: new Text() };
  const code = await image({ stage: 'dev', tag: 'latest', platform: 'linux/arm64,linux/amd64', push: true, ...options }, { ecr: () => Promise.resolve(ecr), docker: dockerIn(env), streams });
  return { code, out: streams.stdout.text, err: streams.stderr.text };
}

void describe('image', () => {
  // Catches: a password that every user of the machine can read, and words of one argument that become several.
  void it('logs in by standard input, builds for both architectures, and pushes', async () => {
    const { env, calls } = fakeDocker();
    const { code, out } = await build({ extraPackages: 'gdal-plugins libproj25', pipPackages: 'rasterio==1.4.3 scipy', tag: 'v1.2' }, env);
    assert.equal(code, 0);
    assert.equal(out, `${registry}/tilefan-dev-worker:v1.2\n`);
    assert.deepEqual(calls(), [
      { args: ['buildx', 'version'], input: '' },
      { args: ['login', '--username', 'AWS', '--password-stdin', registry], input: password },
      {
        args: [
          'buildx', 'build', '--platform', 'linux/arm64,linux/amd64', '--file', `${projectFolder}containers/worker/Dockerfile`,
          '--build-arg', 'EXTRA_PACKAGES=gdal-plugins libproj25', '--build-arg', 'PIP_PACKAGES=rasterio==1.4.3 scipy',
          '--provenance=false', '--tag', `${registry}/tilefan-dev-worker:v1.2`, '--push', projectFolder,
        ],
        input: '',
      },
    ]);
  });

  // Catches: build arguments that the Dockerfile doesn't know, and so drops without a word.
  void it('gives the Dockerfile arguments that it takes', () => {
    const dockerfile = readFileSync(`${projectFolder}containers/worker/Dockerfile`, 'utf8');
    for (const name of ['EXTRA_PACKAGES', 'PIP_PACKAGES']) assert.match(dockerfile, new RegExp(`^ARG ${name}=`, 'm'));
  });

  void it('builds without AWS when nothing is to be pushed', async () => {
    const { env, calls } = fakeDocker();
    const { out } = await build({ push: false, platform: 'linux/amd64' }, env, false);
    assert.equal(out, 'tilefan-dev-worker:latest\n');
    assert.deepEqual(calls().map(({ args }) => args[0]), ['buildx', 'buildx']);
    assert.ok(calls()[1]?.args.includes('--load') && !calls()[1]?.args.includes('--push'));
    await assert.rejects(build({ push: false }, env), { code: 'IMAGE_PLATFORM', exitCode: 64 });
  });

  void it('says in a sentence what is missing or has failed', async () => {
    const empty = space.path('empty');
    mkdirSync(empty);
    await assert.rejects(build({}, { PATH: empty }), { code: 'DOCKER_MISSING', exitCode: 69 });
    await assert.rejects(build({}, fakeDocker('version').env), { code: 'DOCKER_NO_BUILDX', exitCode: 69, message: /docker-buildx-plugin/ });
    const unknown = fakeDocker();
    await assert.rejects(build({}, unknown.env, false), { code: 'REPOSITORY_NOT_FOUND', exitCode: 69, message: /no repository tilefan-dev-worker in eu-west-1: deploy the stack first/ });
    assert.equal(unknown.calls().length, 1);
    const login = await build({}, fakeDocker('login').env).catch((error: unknown) => error as Error);
    assert.ok(login instanceof Error && !login.message.includes(password));
    assert.match(login.message, /Logging in to .* failed: docker ended with exit code 7/);
    await assert.rejects(build({}, fakeDocker('build').env), { code: 'DOCKER_FAILED', exitCode: 70, message: /Building and pushing .*:latest failed: docker ended with exit code 7/ });
    await assert.rejects(build({ platform: 'linux/riscv64' }, fakeDocker().env), { code: 'IMAGE_PLATFORM', message: /"linux\/riscv64": wanted linux\/arm64 or linux\/amd64/ });
    await assert.rejects(build({ tag: 'a b' }, fakeDocker().env), { code: 'IMAGE_TAG' });
  });
});
