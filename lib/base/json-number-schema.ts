/** The schema of a JSON number; apart from json-number.ts, because compute threads need that one and can do without zod. */
import * as z from 'zod';
import { jsonNumberWords } from './json-number.ts';

export const jsonNumber = z.union([z.number(), z.enum(jsonNumberWords)]);
