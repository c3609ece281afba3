/** The definition, read afresh: validators and interpreters may change what they are given. */
import { readFileSync } from 'node:fs';
import type { Json } from '../../local/engine.ts';

export const definitionFile = new URL('../../statemachines/tile-pipeline.asl.json', import.meta.url);

export function readDefinition(): Json {
  return JSON.parse(readFileSync(definitionFile, 'utf8')) as Json;
}
