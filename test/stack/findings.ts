/** What a checker of templates says, in one form for all of them, and how that is weighed against what has been acknowledged. */

export interface Finding {
  readonly tool: 'cdk-nag' | 'cfn-lint' | 'checkov' | 'cloudformation-validate';
  /** The rule, exactly as the tool names it. */
  readonly id: string;
  /** Logical id of the resource, or the place in the document. */
  readonly resource: string;
  readonly message: string;
}

export interface Acknowledgement {
  readonly tool: Finding['tool'];
  /** Why it stays as it is. */
  readonly reason: string;
  /** Resources by the exact id of a rule. */
  readonly findings: Readonly<Record<string, readonly string[]>>;
}

/** Findings that nobody has acknowledged, as lines to read. */
export function unacknowledged(findings: readonly Finding[], acknowledged: readonly Acknowledgement[]): string[] {
  const known = new Set(acknowledged.flatMap(keysOf));
  return [...new Set(findings.filter((finding) => !known.has(key(finding))).map((finding) => `${finding.tool} ${finding.id} ${finding.resource}: ${finding.message}`))].toSorted();
}

/** Acknowledgements of these tools that match nothing any more: what they excused is gone, and so should they be. */
export function stale(findings: readonly Finding[], acknowledged: readonly Acknowledgement[], tools: readonly Finding['tool'][]): string[] {
  const found = new Set(findings.map(key));
  return acknowledged.filter(({ tool }) => tools.includes(tool)).flatMap(keysOf).filter((each) => !found.has(each));
}

function key({ tool, id, resource }: Pick<Finding, 'tool' | 'id' | 'resource'>): string {
  return `${tool} ${id} ${resource}`;
}

function keysOf({ tool, findings }: Acknowledgement): string[] {
  return Object.entries(findings).flatMap(([id, resources]) => resources.map((resource) => key({ tool, id, resource })));
}
