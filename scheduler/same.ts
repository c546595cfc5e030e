/** Same: whether two versions of an object are alike in what scheduling goes by, without walking all of them. Pure. */
import { isDeepStrictEqual } from "node:util";
import type { Node } from "../machinery/objects/kinds.ts";

type Strings = Readonly<Record<string, string>> | undefined;

/** Labels, or amounts by resource; none are the same as an empty set. */
export function sameStrings(a: Strings, b: Strings): boolean {
  if (a === b) return true;
  let size = 0;
  for (const key in a) {
    if (b?.[key] !== a[key]) return false;
    size++;
  }
  for (const _ in b) size--;
  return size === 0;
}

export function sameTaints({ spec: a }: Node, { spec: b }: Node): boolean {
  if ((a?.unschedulable ?? false) !== (b?.unschedulable ?? false)) return false;
  if (!a?.taints?.length && !b?.taints?.length) return true;
  return isDeepStrictEqual(a?.taints, b?.taints);
}
