/** Which account and region: where the SDK looks for them. */
export interface SessionOptions {
  readonly region?: string;
  readonly profile?: string;
}

/** The SDK, and programs that are started, read them from the environment. */
export function setEnvironment({ region, profile }: SessionOptions, env: NodeJS.ProcessEnv = process.env): void {
  if (region !== undefined) env['AWS_REGION'] = region;
  if (profile !== undefined) {
    env['AWS_PROFILE'] = profile;
    // With keys beside a profile the SDK warns of two sources.
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']) delete env[name];
  }
}
