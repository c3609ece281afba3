/** The ways in which user code ends a tile without returning or throwing. Each becomes one failure of its tile. */
import type { CodeFailure } from '../code-setup.ts';
import { describeFailure, placeOf } from './describe-failure.ts';

export interface EscapeHandlers {
  /** What is at work. */
  readonly functionName: () => string | undefined;
  /** After it, the process ends. */
  readonly onExit: (failure: CodeFailure, exitCode: number) => void;
  /** Says whether the process is to end. */
  readonly onUncaught: (failure: CodeFailure) => boolean;
  /** It goes on. */
  readonly onStarved: (failure: CodeFailure) => void;
}

export function watchEscapes({ functionName, onExit, onUncaught, onStarved }: EscapeHandlers): void {
  const exit = process.exit.bind(process);
  process.exit = (code) => {
    const exitCode = Number(code ?? process.exitCode ?? 0);
    onExit(
      {
        kind: 'function',
        message: `called process.exit(${code === undefined || code === null ? '' : String(code)}); a function ends with return, or throws an Error`,
        function: functionName(),
        ...placeOf(new Error('process.exit was called')),
      },
      exitCode,
    );
    return exit(exitCode);
  };
  // A timer or an event of the user's own: nothing says in what state it leaves the module.
  process.on('uncaughtException', (error, origin) => {
    const failure = describeFailure(error, 'function', functionName());
    const unhandled = origin === 'unhandledRejection' ? ' (in a promise that nothing waits for)' : ' (outside of the function, in a callback)';
    if (onUncaught({ ...failure, message: `${failure.message}${unhandled}` })) exit(70);
  });
  process.on('beforeExit', () => {
    onStarved({ kind: 'function', message: 'waits for a promise that nothing will ever settle', function: functionName() });
  });
}
