/** GDAL reads from S3 with the identity and the server of tilefan's own client. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { S3Client } from '@aws-sdk/client-s3';

import { GdalPool } from '../../lib/gdal/gdal-pool.ts';
import { gdalS3Environment } from '../../lib/gdal/s3-environment.ts';
import { startS3Server, whyNoS3Server } from '../support/s3-server.ts';
import { createWorkspace } from '../support/workspace.ts';
import { oracle, withoutGdalPrograms } from './oracle.ts';

const workspace = createWorkspace('gdal-s3');
after(() => workspace.remove());

void describe('GDAL on S3', { skip: withoutGdalPrograms === false ? (whyNoS3Server() ?? false) : withoutGdalPrograms }, () => {
  // Catches a wrong endpoint or protocol, keys that are escaped twice, and credentials that are not renewed.
  void it('opens objects, with credentials that change', async () => {
    const server = await startS3Server();
    try {
      const local = workspace.path('a.tif');
      oracle([{ do: 'make_source', path: local, epsg: 32633, columns: 40, rows: 30, transform: [500_000, 10, 0, 5_000_000, 0, -10], dtype: 'uint8', bands: 1, seed: 1 }]);
      mkdirSync(join(server.root, server.bucket, 'a folder'), { recursive: true });
      const key = 'a folder/b+c%20é.tif';
      copyFileSync(local, join(server.root, server.bucket, key));
      let secretAccessKey = server.credentials.secretAccessKey;
      const client = (): S3Client => new S3Client({ endpoint: server.endpoint, forcePathStyle: true, region: server.region, credentials: { ...server.credentials, secretAccessKey } });
      const pool = await GdalPool.start({ processes: 1, environment: async () => await gdalS3Environment(client())() });
      const source = { href: `s3://${server.bucket}/${key}` };
      const request = { source, window: { column: 0, row: 0, columns: 40, rows: 30 }, bands: [1], dtype: 'uint8' } as const;
      try {
        const into = new Uint8Array(1200);
        await pool.read({ ...request, into });
        assert.ok(new Set(into).size > 3);
        const [pid] = pool.pids;
        secretAccessKey = 'wrong';
        await assert.rejects(pool.read({ ...request, into: new Uint8Array(1200) }), { code: 'GDAL_FAILED' });
        secretAccessKey = server.credentials.secretAccessKey;
        const again = new Uint8Array(1200);
        await pool.read({ ...request, into: again });
        assert.deepEqual(again, into);
        assert.deepEqual(pool.pids, [pid], 'the same process');
      } finally {
        await pool.close();
      }
    } finally {
      await server.stop();
    }
  });
});
