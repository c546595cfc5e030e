/**
 * ConfigMap: text and bytes by key, small, and unchangeable where its author said so.
 */
import type { ConfigMap } from "../../machinery/objects/kinds.ts";
import { configMapKey } from "../../machinery/objects/names.ts";
import type { Strategy } from "./contract.ts";
import { DATA_BYTES, encodedBytes, validateFrozen } from "./frozen.ts";
import { each } from "./object-meta.ts";
import { entry } from "./path.ts";

export const configMapStrategy: Strategy<ConfigMap> = {
  validate({ data = {}, binaryData = {} }, errors) {
    let text = 0;
    for (const key in data) {
      each(configMapKey(key), entry("data", key), key, errors);
      if (Object.hasOwn(binaryData, key)) {
        errors.invalid(entry("data", key), key, "duplicate of key present in binaryData");
      }
      text += Buffer.byteLength(data[key]!);
    }
    for (const key in binaryData) each(configMapKey(key), entry("binaryData", key), key, errors);
    if (text + encodedBytes(binaryData) > DATA_BYTES) errors.tooLong("", DATA_BYTES);
  },

  validateUpdate(map, old, errors) {
    validateFrozen(map, old, ["data", "binaryData"], errors);
  },

  allowUnconditionalUpdate: true,
};
