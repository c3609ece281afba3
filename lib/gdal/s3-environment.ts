/** The place of S3 and the keys to it, as GDAL wants to be told (https://gdal.org/en/stable/user/virtual_file_systems.html#vsis3). */
import type { S3Client } from '@aws-sdk/client-s3';

import { createS3Client } from '../store/s3-client.ts';

/**
 * GDAL's options for the same server, region and identity as tilefan's own S3 client has. The SDK resolves credentials (environment, profile, container,
 * instance), and renews them before they expire; so this gives a function, to be asked before each use.
 */
export function gdalS3Environment(client: S3Client = createS3Client()): () => Promise<Readonly<Record<string, string>>> {
  return async () => {
    const { config } = client;
    const [credentials, region, endpoint] = await Promise.all([config.credentials(), config.region(), config.endpoint?.()]);
    const port = endpoint?.port === undefined ? '' : `:${String(endpoint.port)}`;
    return {
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      // An empty one takes away one that is no longer needed.
      AWS_SESSION_TOKEN: credentials.sessionToken ?? '',
      AWS_REGION: region,
      ...(endpoint === undefined
        ? {}
        : {
            AWS_S3_ENDPOINT: `${endpoint.hostname}${port}${endpoint.path === '/' ? '' : endpoint.path.replace(/\/$/, '')}`,
            AWS_HTTPS: endpoint.protocol === 'https:' ? 'YES' : 'NO',
            // By path, as tilefan's client does it with a server of one's own.
            AWS_VIRTUAL_HOSTING: 'FALSE',
          }),
    };
  };
}
