/** Where a command writes: results to `stdout`, everything else to `stderr`. A process has both; tests give texts. */
export interface TextStream {
  write(text: string): unknown;
  /** Whether somebody looks at it. */
  readonly isTTY?: boolean;
}

export interface Streams {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
}
