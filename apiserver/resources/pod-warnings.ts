/**
 * Warnings about Pod specs: nothing wrong enough to refuse, but surely not meant.
 *
 * Wording: pkg/api/pod/warnings.go.
 */
import type { PodSpec } from "../../machinery/objects/kinds.ts";

export function podWarnings(spec: PodSpec | undefined, path: string): string[] {
  if (!spec) return [];
  const warnings: string[] = [];
  for (const [index, container] of (spec.containers ?? []).entries()) {
    const at = `${path}.containers[${index}]`;
    const names = new Map<string, number>();
    for (const [place, { name }] of (container.env ?? []).entries()) {
      const first = names.get(name);
      if (first !== undefined) {
        warnings.push(
          `${at}.env[${place}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`,
        );
      }
      names.set(name, place);
    }
    for (const list of ["requests", "limits"] as const) {
      const memory = container.resources?.[list]?.["memory"];
      if (memory && /^\d+m$/.test(memory)) {
        warnings.push(
          `${at}.resources.${list}[memory]: fractional byte value ${JSON.stringify(memory)} is invalid, must be an integer`,
        );
      }
    }
  }
  for (const [index, { name }] of (spec.imagePullSecrets ?? []).entries()) {
    if (!name) warnings.push(`${path}.imagePullSecrets[${index}].name: invalid empty name ""`);
  }
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) {
    warnings.push(
      `${path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`,
    );
  }
  for (const [index, { glusterfs, rbd, gitRepo }] of (spec.volumes ?? []).entries()) {
    const at = `${path}.volumes[${index}]`;
    if (gitRepo) warnings.push(`${at}.gitRepo: deprecated in v1.11, and disabled by default in v1.33+`);
    if (glusterfs) warnings.push(`${at}.glusterfs: deprecated in v1.25, non-functional in v1.26+`);
    if (rbd) warnings.push(`${at}.rbd: deprecated in v1.28, non-functional in v1.31+`);
  }
  return warnings;
}
