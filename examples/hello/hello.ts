/** Two steps, of which the second takes what the first has come to: prints "Hello, World!". */
import { map } from 'tilefan';

const steps = import.meta.resolve('./steps.ts');
const joined = await map({ module: steps, function: 'join' }, [{ a: 'Hello', b: 'World' }]);
const excited = await map<string>({ module: steps, function: 'excite' }, joined);
process.stdout.write(`${(await excited.values()).join('\n')}\n`);
