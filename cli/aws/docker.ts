/** Runs docker, whose words go to standard error. */
import { spawn } from 'node:child_process';
import { InputUnavailableError, OperationError } from '../../lib/base/errors.ts';

/** Calls docker with these arguments, perhaps with a text for its standard input; gives its exit code. */
export type Docker = (args: readonly string[], input?: string) => Promise<number>;

export function dockerIn(env: NodeJS.ProcessEnv = process.env): Docker {
  return async (args, input) =>
    await new Promise((resolve, reject) => {
      // Standard output is for the command's own result.
      const child = spawn('docker', args, { env, stdio: [input === undefined ? 'ignore' : 'pipe', 2, 2] });
      child.once('error', (cause) => {
        reject(new InputUnavailableError('DOCKER_MISSING', `docker can't be started (${cause.message}): install Docker, or put it into PATH`, { cause }));
      });
      child.once('close', (code, signal) => {
        // As a shell reports a program that a signal has ended.
        resolve(code ?? (signal === 'SIGINT' ? 130 : 137));
      });
      // A docker that has ended before it has read everything says why by its exit code.
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(input);
    });
}

/** @throws InputUnavailableError DOCKER_NO_BUILDX, DOCKER_MISSING */
export async function requireBuildx(docker: Docker): Promise<void> {
  if ((await docker(['buildx', 'version'])) === 0) return;
  throw new InputUnavailableError('DOCKER_NO_BUILDX', 'docker has no buildx, which builds the image for another architecture: install the package docker-buildx-plugin');
}

/** @throws OperationError DOCKER_FAILED that says what it was at */
export function mustSucceed(code: number, what: string): void {
  if (code !== 0) throw new OperationError('DOCKER_FAILED', `${what} failed: docker ended with exit code ${String(code)}`, { where: { dockerExitCode: code } });
}
