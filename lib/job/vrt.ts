import { DataError } from '../base/errors.ts';
import type { ObjectReader } from '../store/store.ts';
import type { SceneFacts } from './open-inputs.ts';

export function openVrt(_reader: ObjectReader, href: string, _allowed: readonly string[]): Promise<SceneFacts> {
  return Promise.reject(new DataError('VRT', href));
}
