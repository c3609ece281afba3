/** What the commands against AWS are given, so that they touch nothing of the process themselves. */
import type { SFNClient } from '@aws-sdk/client-sfn';
import type { Store } from '../../lib/store/store.ts';
import type { Streams } from '../streams.ts';

export interface RunContext {
  readonly sfn: SFNClient;
  /** For what lies under the run prefix. */
  readonly store: Store;
  readonly streams: Streams;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Milliseconds pass, or the signal is aborted: both end it well. */
  readonly sleep: (ms: number) => Promise<void>;
}
