/** What every driver demands of the parts of an assembly, so that a local run finds what S3 would refuse. */
import { OperationError } from '../base/errors.ts';
import { displayHref } from './href.ts';
import { maxPartBytes, maxParts, minPartBytes, type Part } from './store.ts';

/** Checks one part by itself. @throws OperationError STORE_BAD_PART: whoever laid the parts out made a mistake. */
export function checkPart(href: string, part: Part): void {
  const { number, offset, length, pieces } = part;
  if (!Number.isInteger(number) || number < 1 || number > maxParts) throw badPart(href, part, `its number must be 1 to ${maxParts}`);
  if (!Number.isSafeInteger(offset) || offset < 0) throw badPart(href, part, `its offset is ${offset}`);
  if (!Number.isSafeInteger(length) || length < 1 || length > maxPartBytes) throw badPart(href, part, `it has ${length} bytes; wanted 1 to ${maxPartBytes}`);
  const sum = pieces.reduce((bytes, piece) => bytes + (piece.kind === 'bytes' ? piece.bytes.length : piece.length), 0);
  if (sum !== length) throw badPart(href, part, `its pieces have ${sum} bytes together, and it says ${length}`);
}

/** Checks that parts make a whole object, and returns its size. @throws OperationError STORE_BAD_PART */
export function checkParts(href: string, parts: readonly Part[]): number {
  if (parts.length === 0) throw new OperationError('STORE_BAD_PART', `Cannot assemble ${displayHref(href)} from no parts`, { where: { href } });
  let size = 0;
  let previous = 0;
  for (const [index, part] of parts.entries()) {
    checkPart(href, part);
    if (part.number <= previous) throw badPart(href, part, `it comes after part ${previous}; numbers must ascend`);
    if (part.offset !== size) throw badPart(href, part, `it begins at byte ${part.offset}, and the parts before it end at ${size}`);
    if (part.length < minPartBytes && index < parts.length - 1) throw badPart(href, part, `it has ${part.length} bytes; all parts but the last need ${minPartBytes}`);
    previous = part.number;
    size += part.length;
  }
  return size;
}

/** A few numbers for a message: `3, 4, 7 and 120 more`. */
export function someNumbers(numbers: readonly number[]): string {
  const shown = 5;
  const head = numbers.slice(0, shown).join(', ');
  return numbers.length > shown ? `${head} and ${numbers.length - shown} more` : head;
}

function badPart(href: string, part: Part, what: string): OperationError {
  return new OperationError('STORE_BAD_PART', `Part ${part.number} of ${displayHref(href)} is laid out wrongly: ${what}`, {
    where: { href, part: part.number, offset: part.offset, length: part.length },
  });
}
