/** The contract of store.ts, kept by both drivers, each reached as the rest of tilefan reaches it: through createStore. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { fileHref } from '../../lib/store/href.ts';
import { createStore } from '../../lib/store/routing-store.ts';
import { startS3Server, whyNoS3Server } from '../support/s3-server.ts';
import { storeContract } from './contract.ts';

storeContract('file', undefined, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tilefan-store-'));
  return {
    root: fileHref(`${folder}/`),
    open: () => createStore({ maxOpenFiles: 4 }),
    remove: () => rm(folder, { recursive: true }),
  };
});

storeContract('S3', whyNoS3Server(), async () => {
  const server = await startS3Server();
  Object.assign(process.env, server.env);
  return {
    root: `s3://${server.bucket}/a run/`,
    open: () => createStore(),
    remove: () => server.stop(),
  };
});

