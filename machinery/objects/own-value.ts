/**
 * Own value: what stands in a map under a key that users chose.
 *
 * Plain indexing would find what every object inherits: a resource, label or class may be named "constructor".
 */
export const ownValue = <T>(map: Readonly<Record<string, T>> | undefined, key: string): T | undefined =>
  map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
