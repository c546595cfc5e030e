/**
 * Versions: how versions of an API rank, and what clients of a deprecated one are told.
 */
import type { DefinedVersion, DefinitionSpec } from "./contract.ts";

const VERSION = /^v(\d+)(?:(alpha|beta)(\d+))?$/;

/** The most stable and newest first: v2, v1, v1beta1, v1alpha2; others last, by name. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [rank(a), rank(b)];
  if (!left || !right) return left ? -1 : right ? 1 : a < b ? -1 : a > b ? 1 : 0;
  for (const [at, value] of left.entries()) if (value !== right[at]) return right[at]! - value;
  return 0;
}

function rank(version: string): readonly number[] | undefined {
  const parts = VERSION.exec(version);
  if (!parts) return undefined;
  const [, major = "0", stage, minor = "0"] = parts;
  return [stage === undefined ? 2 : stage === "beta" ? 1 : 0, Number(major), Number(minor)];
}

const stability = (version: string): number => rank(version)?.[0] ?? 0;

/** The Warning of a deprecated version; it names a newer one that is at least as stable. */
export function deprecationOf({ group, names, versions }: DefinitionSpec, version: DefinedVersion): string | undefined {
  if (!version.deprecated) return undefined;
  if (version.deprecationWarning) return version.deprecationWarning;
  const better = versions
    .filter(({ served, deprecated }) => served && !deprecated)
    .map(({ name }) => name)
    .filter((name) => compareVersions(name, version.name) < 0 && stability(name) >= stability(version.name))
    .sort(compareVersions)[0];
  const warning = `${group}/${version.name} ${names.kind} is deprecated`;
  return better ? `${warning}; use ${group}/${better} ${names.kind}` : warning;
}
