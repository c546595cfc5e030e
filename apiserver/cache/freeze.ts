/**
 * Freeze: what is shared must not change, all the way down.
 *
 * A part that is frozen already is taken to be frozen below as well (it came out of this function),
 * so an object that shares most of itself with its last version costs little.
 */

export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  if (Array.isArray(value)) for (const item of value) deepFreeze(item);
  else for (const key in value) deepFreeze(value[key]);
  return value;
}
