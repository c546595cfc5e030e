/**
 * Patch: a client's description of a change, applied to the object as it is now.
 *
 * A patch that meets a concurrent change is applied again to the newer version; only one that names a
 * resourceVersion conflicts. What the content types mean: patch-types.ts; server-side apply: apply-patch.ts.
 */
import { applyPatch } from "./apply-patch.ts";
import { changeObject } from "./commit.ts";
import type { Step } from "./contract.ts";
import { placeAtName, placeInNamespace } from "./metadata.ts";
import { writeOptions } from "./options.ts";
import { APPLY, patchTypeOf, readPatch } from "./patch-types.ts";
import { respondObject } from "./respond.ts";
import { changed, checkVersion } from "./update.ts";

export const patch: Step = async (exchange) => {
  if (patchTypeOf(exchange) === APPLY) return applyPatch(exchange);
  const { record, row, info, warnings } = exchange;
  const { dryRun, fieldValidation } = writeOptions(record.query, "PatchOptions");
  const { patched } = readPatch(exchange, row);
  const name = { namespace: info.namespace, name: info.name };

  const outcome = await changeObject(exchange, name, dryRun, (current) => {
    const found: string[] = [];
    const object = patched(current.object, fieldValidation, found);
    placeInNamespace(row, object, info.namespace);
    placeAtName(object, info.name);
    checkVersion(exchange, object, current);
    warnings.splice(0, warnings.length, ...found);
    return changed(exchange, object, current, dryRun);
  });
  return respondObject(exchange, outcome);
};
