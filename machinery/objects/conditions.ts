/**
 * Conditions: the lists in a status that say what holds, since when and why.
 *
 * A condition's lastTransitionTime moves only when its status does.
 */

export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

export function findCondition<T extends { type: string }>(
  conditions: readonly T[] | undefined,
  type: string,
): T | undefined {
  if (conditions) for (const one of conditions) if (one.type === type) return one;
  return undefined;
}

export function isTrue(conditions: readonly { type: string; status: string }[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === "True";
}

/** The list with `next` in it: in the place of the one it replaces, or at the end. `now` in the wire's form. */
export function withCondition<T extends Condition>(conditions: readonly T[] | undefined, next: T, now: string): T[] {
  const list = conditions ?? [];
  const old = findCondition(list, next.type);
  const since = old && old.status === next.status ? (old.lastTransitionTime ?? now) : now;
  const settled = { ...next, lastTransitionTime: since };
  return old ? list.map((one) => (one === old ? settled : one)) : [...list, settled];
}

export function withoutCondition<T extends { type: string }>(conditions: readonly T[] | undefined, type: string): T[] {
  return (conditions ?? []).filter((one) => one.type !== type);
}
