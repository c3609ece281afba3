/**
 * The plain loop of sharp that runs over images are compared with: reads each file of a folder, writes both copies, and checks nothing.
 *
 *     node bench/plain-images.ts FOLDER OUTPUT AT-A-TIME
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import pLimit from 'p-limit';
import { bothCopies, setUpSharp } from './plain-sharp.ts';

const [folder = '', output = '', atATime = '4'] = process.argv.slice(2);
setUpSharp();
for (const name of ['resized', 'thumbs']) mkdirSync(`${output}/${name}`, { recursive: true });
const limit = pLimit(Number(atATime));
await Promise.all(
  readdirSync(folder).map((name) =>
    limit(async () => {
      const [resized, thumbs] = await bothCopies(await readFile(`${folder}/${name}`));
      await Promise.all([writeFile(`${output}/resized/${name}`, resized), writeFile(`${output}/thumbs/${name}`, thumbs)]);
    }),
  ),
);
