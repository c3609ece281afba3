/** ECS's task metadata endpoint on the loopback interface, answering with what AWS's documentation has recorded from real tasks. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import ec2 from './metadata/ec2.json' with { type: 'json' };
import fargate from './metadata/fargate.json' with { type: 'json' };

/**
 * https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate-examples.html and …-v4-examples.html (EC2, awsvpc). The
 * examples of container and task are of two tasks, and those of EC2 are of a task without limits of its own.
 */
export const recorded = { fargate, ec2 };

export interface MetadataServer {
  /** What ECS puts into ECS_CONTAINER_METADATA_URI_V4. */
  readonly endpoint: string;
  /** Paths that were asked for. */
  readonly asked: readonly string[];
  stop(): Promise<void>;
}

/** @param answer the body for a path behind the endpoint ('' or '/task'); undefined: no answer ever */
export async function startMetadataServer(answer: (path: string) => { readonly status: number; readonly body: string } | undefined): Promise<MetadataServer> {
  const asked: string[] = [];
  const base = '/v4/5fb8fcdd-29f2-490f-8229-c1269d11a9d9';
  const server: Server = createServer((request, response) => {
    const path = (request.url ?? '').slice(base.length);
    asked.push(path);
    const given = answer(path);
    if (given === undefined) return;
    response.writeHead(given.status, { 'content-type': 'application/json' });
    response.end(given.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}${base}`,
    asked,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers as a task does that has these documents. */
export function answers({ container, task }: { readonly container: object; readonly task: object }): (path: string) => { status: number; body: string } {
  return (path) => {
    if (path === '') return { status: 200, body: JSON.stringify(container) };
    return path === '/task' ? { status: 200, body: JSON.stringify(task) } : { status: 404, body: '404 page not found' };
  };
}
