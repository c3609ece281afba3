/** The tail of a log stream in CloudWatch Logs. */
import { GetLogEventsCommand, ResourceNotFoundException, type CloudWatchLogsClient, type GetLogEventsCommandOutput, type OutputLogEvent } from '@aws-sdk/client-cloudwatch-logs';

/** GetLogEvents gives at most so many at a time. */
const largestPage = 10_000;
/** A page may be empty though there are more; so many in a row mean that there are none. */
const mostEmptyPages = 20;

export interface LogStream {
  readonly group: string;
  readonly stream: string;
}

/** The last `count` events, in the order in which they were written; undefined when the stream isn't there (any more). */
export async function logTail(logs: CloudWatchLogsClient, { group, stream }: LogStream, count: number): Promise<OutputLogEvent[] | undefined> {
  let events: OutputLogEvent[] = [];
  let token: string | undefined;
  let empty = 0;
  try {
    while (events.length < count && empty < mostEmptyPages) {
      const page: GetLogEventsCommandOutput = await logs.send(
        new GetLogEventsCommand({
          logGroupName: group,
          logStreamName: stream,
          limit: Math.min(largestPage, count - events.length),
          startFromHead: false,
          ...(token === undefined ? {} : { nextToken: token }),
        }),
      );
      events = [...(page.events ?? []), ...events];
      empty = page.events?.length === 0 ? empty + 1 : 0;
      // The end has been reached when the token that comes back is the one that was sent.
      if (page.nextBackwardToken === undefined || page.nextBackwardToken === token) break;
      token = page.nextBackwardToken;
    }
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined;
    throw error;
  }
  return events.slice(-count);
}
