/**
 * Finalize: a namespace's own finalizers, removed by the namespace controller when it is empty.
 *
 * Only spec.finalizers is taken from the request. The last one's removal deletes the namespace.
 */

import { cloneJson, equalJson } from "../../machinery/objects/json-value.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { admitted } from "./admission-request.ts";
import { decodeObject, readObject } from "./body.ts";
import { changeObject } from "./commit.ts";
import type { Step } from "./contract.ts";
import { track } from "./field-manager.ts";
import { placeAtName, readyToGo } from "./metadata.ts";
import { writeOptions } from "./options.ts";
import { respondObject } from "./respond.ts";
import { checkVersion, removal } from "./update.ts";

export const finalize: Step = async (exchange) => {
  const { record, row, info, server, warnings } = exchange;
  const { dryRun, fieldValidation } = writeOptions(record.query, "UpdateOptions");
  const body = readObject(server, record, row);
  const sent = decodeObject(server, body, row, fieldValidation, warnings);
  placeAtName(sent, info.name);

  const outcome = await changeObject(exchange, { name: info.name }, dryRun, async (current) => {
    checkVersion(exchange, sent, current);
    const old = current.object;
    const finalizers = (sent["spec"] as { finalizers?: string[] } | undefined)?.finalizers ?? [];
    const object = cloneJson(old) as KubeObject;
    object["spec"] = finalizers.length > 0 ? { finalizers } : {};
    if (readyToGo(object) && finalizers.length === 0) {
      await admitted(exchange, { operation: "UPDATE", object, old, dryRun });
      return removal(exchange, current);
    }
    if (equalJson(object["spec"], old["spec"])) return { kind: "same" };
    delete object.metadata.resourceVersion;
    track(exchange, old, object);
    await admitted(exchange, { operation: "UPDATE", object, old, dryRun });
    return { kind: "put", object };
  });
  return respondObject(exchange, outcome);
};
