/**
 * Freeze: makes an object and everything in it unchangeable, so that it can be shared.
 */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  if (Array.isArray(value)) for (const part of value) deepFreeze(part);
  else for (const key in value) deepFreeze(value[key]);
  return Object.freeze(value);
}
