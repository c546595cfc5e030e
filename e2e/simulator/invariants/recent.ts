/**
 * Recent: the values that a number had lately. Whoever acts on an old view acts on one of these.
 */

/** The longest that a view is allowed to lag in a storm: see faults.ts. */
export const RECENT_MS = 60_000;

export interface Recent {
  note(value: number, now: number): void;
  most(now: number): number;
  least(now: number): number;
}

export function createRecent(): Recent {
  /** Each value holds until the next one's time. */
  let values: { readonly value: number; readonly from: number }[] = [];
  const lately = (now: number) => {
    const current = values.findLastIndex(({ from }) => from <= now - RECENT_MS);
    if (current > 0) values = values.slice(current);
    return values.map(({ value }) => value);
  };
  return {
    note(value, now) {
      if (values.at(-1)?.value !== value) values.push({ value, from: now });
    },
    most: (now) => Math.max(...lately(now)),
    least: (now) => Math.min(...lately(now)),
  };
}
