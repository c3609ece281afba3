/** What checkers complain of and what stays all the same, by the exact id of the rule and the resource, with the reason. One that matches nothing any more fails. */
import type { Acknowledgement } from './findings.ts';

export const acknowledged: readonly Acknowledgement[] = [];
