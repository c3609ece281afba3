/**
 * Runs programs in the built root of the worker's image, as an engine runs them that is told `--read-only`: its user, environment, working folder and entry point,
 * a root that can't be written to, its volumes fresh and owned as in the image, process ids of its own, no privileges. The network is this machine's.
 * Linux and root; TILEFAN_IMAGE_ROOT is the folder that containers/worker/try-without-engine.sh has made.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

/** The part of an OCI image's configuration that says how to run it. */
const imageConfig = z.object({
  User: z.string(),
  Env: z.array(z.string()),
  Entrypoint: z.array(z.string()),
  WorkingDir: z.string(),
  Volumes: z.record(z.string(), z.object({})),
});
export type ImageConfig = z.infer<typeof imageConfig>;

export interface Image {
  readonly root: string;
  readonly config: ImageConfig;
}

const folder = process.env['TILEFAN_IMAGE_ROOT'] ?? '';

/** Why there is no image to try, for a test's skip; false where there is one. */
export const withoutImage: string | false =
  folder === ''
    ? 'needs the built image: set TILEFAN_IMAGE_ROOT to the folder that containers/worker/try-without-engine.sh has made'
    : process.getuid?.() === 0
      ? false
      : 'needs root, for mounts and chroot';

export function openImage(): Image {
  const root = join(folder, 'root');
  if (!existsSync(root)) throw new Error(`TILEFAN_IMAGE_ROOT: wanted a folder with root/ and config.json, found ${folder}`);
  return { root, config: imageConfig.parse(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))) };
}

export interface InImage {
  /** In place of the image's entry point. */
  readonly entrypoint?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whether the image's volumes are mounted; default true. Without, nothing at all can be written to. */
  readonly volumes?: boolean;
}

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface FirstProcess {
  readonly pid: number;
  readonly program: string;
  /** Whether it has started a process of its own. Before that it need not be ready for signals, and to process 1 of a container Linux gives none that it isn't ready for. */
  readonly hasChild: boolean;
}

export interface RunningInImage {
  readonly ended: Promise<Ended>;
  stdout(): string;
  /** Process 1 of the container, as this machine numbers it; undefined before it is there. */
  firstProcess(): FirstProcess | undefined;
  kill(signal: NodeJS.Signals): void;
}

/** Arguments: root, user, owner of each volume and its path, `--`, environment and program. */
const enter = `
root=$1; user=$2; shift 2
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
while [ "$1" != -- ]; do mount -t tmpfs -o "$1" volume "$root$2"; shift 2; done
shift
exec setpriv --no-new-privs chroot --userspec="$user" --groups="\${user#*:}" "$root" /usr/bin/env -i "$@"
`;

/** A child that has not ended by then hangs, and is killed. */
const longestSeconds = 90;

export function startInImage({ root, config }: Image, { entrypoint = config.Entrypoint, env = {}, volumes = true }: InImage): RunningInImage {
  const mounts = volumes
    ? Object.keys(config.Volumes).flatMap((path) => {
        const { uid, gid, mode } = statSync(join(root, path));
        return [`uid=${String(uid)},gid=${String(gid)},mode=${(mode & 0o777).toString(8)},size=256m`, path];
      })
    : [];
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const namespaces = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child'];
  const container = [root, config.User, ...mounts, '--', `--chdir=${config.WorkingDir}`, ...config.Env, ...variables, ...entrypoint];
  const child = spawn('unshare', [...namespaces, 'sh', '-ec', enter, 'sh', ...container], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const timer = setTimeout(() => child.kill('SIGKILL'), longestSeconds * 1000);
  const ended = once(child, 'close').then(([exitCode]): Ended => {
    clearTimeout(timer);
    return { exitCode: exitCode as number | null, stdout, stderr };
  });
  return {
    ended,
    stdout: () => stdout,
    firstProcess: () => firstChild(child),
    kill(signal) {
      const first = firstChild(child);
      if (first !== undefined) process.kill(first.pid, signal);
    },
  };
}

/** Signals are for the process that unshare has started: unshare itself doesn't hand them on. */
function firstChild({ pid }: ChildProcess): FirstProcess | undefined {
  try {
    const [first = ''] = childrenOf(String(pid)).split(' ');
    if (first === '') return undefined;
    return { pid: Number(first), program: readFileSync(`/proc/${first}/comm`, 'utf8').trim(), hasChild: childrenOf(first) !== '' };
  } catch {
    return undefined;
  }
}

function childrenOf(pid: string): string {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
}
