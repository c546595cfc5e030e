/**
 * Finding: what a check of a machine says: one thing, how it is, and what to do where it should be otherwise.
 */
export interface Finding {
  /** "inotify limits". */
  readonly name: string;
  /** bad: a node cannot work; poor: it works, but something will go wrong or slowly. */
  readonly state: "good" | "poor" | "bad";
  /** What was found, in a few words. */
  readonly found: string;
  /** A command, or what to change where. */
  readonly advice?: string;
}

export const good = (name: string, found: string): Finding => ({ name, state: "good", found });
export const poor = (name: string, found: string, advice: string): Finding => ({ name, state: "poor", found, advice });
export const bad = (name: string, found: string, advice: string): Finding => ({ name, state: "bad", found, advice });

const MARKS = { good: "✓", poor: "!", bad: "✗" } as const;

/** A line each, and below it what to do. */
export function findingsText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  const indent = " ".repeat(width + 4);
  return findings
    .flatMap(({ name, state, found, advice }) => [
      `${MARKS[state]} ${name.padEnd(width)}  ${found}`,
      ...(advice === undefined ? [] : [`${indent}► ${advice}`]),
    ])
    .join("\n");
}
