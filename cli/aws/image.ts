/** `tilefan image`: builds the worker's image and pushes it to the stack's repository. */
import { fileURLToPath } from 'node:url';
import { DescribeRepositoriesCommand, GetAuthorizationTokenCommand, RepositoryNotFoundException, type ECRClient } from '@aws-sdk/client-ecr';
import { InputUnavailableError, JobError } from '../../lib/base/errors.ts';
import type { Streams } from '../streams.ts';
import { mustSucceed, requireBuildx, type Docker } from './docker.ts';
import { deploymentName } from './find-pipeline.ts';

/** Root of the project, which is the build's context. */
const projectFolder = fileURLToPath(new URL('../../', import.meta.url));
const dockerfile = 'containers/worker/Dockerfile';

export const platforms = ['linux/arm64', 'linux/amd64'] as const;

export interface ImageOptions {
  readonly stage: string;
  readonly tag: string;
  /** Comma-separated. */
  readonly platform: string;
  /** Debian packages, separated by spaces. */
  readonly extraPackages?: string;
  /** Python packages, separated by spaces. */
  readonly pipPackages?: string;
  /** False: build only. */
  readonly push: boolean;
}

export interface ImageContext {
  readonly ecr: () => Promise<ECRClient>;
  readonly docker: Docker;
  readonly streams: Streams;
}

/** @throws InputUnavailableError REPOSITORY_NOT_FOUND, DOCKER_*; JobError IMAGE_*; OperationError DOCKER_FAILED */
export async function image(options: ImageOptions, { ecr, docker, streams }: ImageContext): Promise<number> {
  const wanted = platformsOf(options);
  checkTag(options.tag);
  const repository = `${deploymentName(options.stage)}-worker`;
  await requireBuildx(docker);
  if (!options.push) {
    const local = `${repository}:${options.tag}`;
    mustSucceed(await docker(buildArguments(options, wanted, local, '--load')), `Building ${local}`);
    streams.stdout.write(`${local}\n`);
    return 0;
  }
  const client = await ecr();
  const uri = `${await repositoryUri(client, repository)}:${options.tag}`;
  await logIn(client, uri.slice(0, uri.indexOf('/')), docker);
  const built = await docker(buildArguments(options, wanted, uri, '--push'));
  if (built !== 0 && wanted.length > 1) {
    streams.stderr.write('tilefan: to build for several platforms at once docker needs a builder that can ("docker buildx create --use") and emulation; --platform builds for one\n');
  }
  mustSucceed(built, `Building and pushing ${uri}`);
  streams.stdout.write(`${uri}\n`);
  return 0;
}

function platformsOf({ platform, push }: ImageOptions): string[] {
  const wanted = [...new Set(platform.split(',').map((each) => each.trim()))];
  for (const each of wanted) {
    if (!platforms.some((known) => known === each)) throw new JobError('IMAGE_PLATFORM', `--platform has ${JSON.stringify(each)}: wanted ${platforms.join(' or ')}, or both with a comma between`);
  }
  if (!push && wanted.length > 1) throw new JobError('IMAGE_PLATFORM', `--no-push keeps the image in docker, which holds one platform: give --platform ${platforms.join(' or --platform ')}`);
  return wanted;
}

/** As the distribution specification has it. */
function checkTag(tag: string): void {
  if (!/^\w[\w.-]{0,127}$/.test(tag)) throw new JobError('IMAGE_TAG', `--tag ${JSON.stringify(tag)} can't be a tag: wanted letters, digits, _, . and -, 128 at most`);
}

function buildArguments({ extraPackages, pipPackages }: ImageOptions, wanted: readonly string[], name: string, where: '--push' | '--load'): string[] {
  return [
    'buildx',
    'build',
    '--platform',
    wanted.join(','),
    '--file',
    `${projectFolder}${dockerfile}`,
    ...(extraPackages === undefined ? [] : ['--build-arg', `EXTRA_PACKAGES=${extraPackages}`]),
    ...(pipPackages === undefined ? [] : ['--build-arg', `PIP_PACKAGES=${pipPackages}`]),
    // An attestation would make an index even of one platform's image, with a part that has no platform.
    '--provenance=false',
    '--tag',
    name,
    where,
    projectFolder,
  ];
}

async function repositoryUri(ecr: ECRClient, name: string): Promise<string> {
  try {
    const { repositories: [repository] = [] } = await ecr.send(new DescribeRepositoriesCommand({ repositoryNames: [name] }));
    if (repository?.repositoryUri !== undefined) return repository.repositoryUri;
  } catch (cause) {
    if (!(cause instanceof RepositoryNotFoundException)) throw cause;
  }
  throw new InputUnavailableError('REPOSITORY_NOT_FOUND', `There is no repository ${name} in ${await ecr.config.region()}: deploy the stack first, or give the right --stage and --region`);
}

/** The password goes by standard input: a command line can be seen by every user of the machine. */
async function logIn(ecr: ECRClient, registry: string, docker: Docker): Promise<void> {
  const { authorizationData: [data] = [] } = await ecr.send(new GetAuthorizationTokenCommand({}));
  const [, password] = /^AWS:(.+)$/s.exec(Buffer.from(data?.authorizationToken ?? '', 'base64').toString('utf8')) ?? [];
  if (password === undefined) throw new InputUnavailableError('REGISTRY_LOGIN', `ECR has given no password for ${registry}`);
  mustSucceed(await docker(['login', '--username', 'AWS', '--password-stdin', registry], password), `Logging in to ${registry}`);
}
