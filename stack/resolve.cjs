/**
 * The variable source of serverless.yml: `custom.stack` is what this gives. The packager loads variable sources with require, so this one file is
 * CommonJS; all else is in the TypeScript beside it, which Node 24 runs as it is.
 */
const fs = require('node:fs');
const path = require('node:path');

const service = 'tilefan';
const root = path.join(__dirname, '..');

module.exports = async ({ options, resolveConfigurationProperty, resolveVariable }) => {
  if (Number(process.versions.node.split('.')[0]) < 24) {
    throw plain(`packaging runs on Node 24 or newer; this is ${process.version}. "npm ci" installs one on Linux: use "npx sls" or "npm run package".`);
  }
  const { readParameters, deploymentFileOf } = await import('./read-parameters.ts');
  const { derive } = await import('./derive.ts');
  const stage = String((await resolveConfigurationProperty(['provider', 'stage'])) ?? 'dev');
  if ((await resolveConfigurationProperty(['params'])) !== null && (await resolveConfigurationProperty(['params'])) !== undefined) {
    throw plain(`serverless.yml has "params", which are not read: parameters are in deployments/${stage}.yml, or given with --param.`);
  }
  const params = [options.param ?? []].flat();
  const named = deploymentFileOf(params);
  const name = named ?? `deployments/${stage}.yml`;
  const facts = fs.statSync(path.resolve(root, name), { throwIfNoEntry: false });
  const there = name !== '' && facts?.isFile() === true;
  if (named !== undefined && !there) throw plain(`deployment: wanted a YAML file, found none at ${JSON.stringify(named)}`);
  try {
    const file = there ? { name, content: facts.size === 0 ? undefined : await resolveVariable(`file(${name}), null`) } : undefined;
    return derive(readParameters({ stage, file, options: params }), { service, stage });
  } catch (error) {
    throw error instanceof Error && error.name === 'ParametersError' ? plain(error.message) : error;
  }
};

/** The packager prints an error's stack where there is one; what the user can mend needs none. */
function plain(message) {
  const error = new Error(message);
  // On a line of its own, behind what the packager says.
  error.stack = `\n${message}`;
  return error;
}
