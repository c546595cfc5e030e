/**
 * ConfigMap and Secret: data by key, small, and unchangeable where its author said so; ServiceAccount beside them.
 */
import { isDeepStrictEqual } from "node:util";
import type { ConfigMap, Secret, ServiceAccount } from "../../machinery/objects/kinds.ts";
import { configMapKey } from "../../machinery/objects/names.ts";
import { unchanged } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";

const DATA_BYTES = 1024 * 1024;
const FROZEN = "field is immutable when `immutable` is set";

type Values = Readonly<Record<string, string>>;

export const configMapStrategy: Strategy<ConfigMap> = {
  validate({ data = {}, binaryData = {} }, errors) {
    for (const key of Object.keys(data)) {
      each(configMapKey(key), `data[${key}]`, key, errors);
      if (Object.hasOwn(binaryData, key)) {
        errors.invalid(`data[${key}]`, key, "duplicate of key present in binaryData");
      }
    }
    for (const key of Object.keys(binaryData)) each(configMapKey(key), `binaryData[${key}]`, key, errors);
    const text = Object.values(data).reduce((sum, value) => sum + Buffer.byteLength(value), 0);
    if (text + encodedBytes(binaryData) > DATA_BYTES) errors.tooLong("", DATA_BYTES);
  },

  validateUpdate(map, old, errors) {
    validateFrozen(map, old, ["data", "binaryData"], errors);
  },

  allowUnconditionalUpdate: true,
};

export const secretStrategy: Strategy<Secret> = {
  defaults(secret) {
    secret.type ||= "Opaque";
    if (!secret.stringData) return;
    // Written in plain, kept like the rest.
    secret.data ??= {};
    for (const [key, value] of Object.entries(secret.stringData)) {
      secret.data[key] = Buffer.from(value).toString("base64");
    }
    delete secret.stringData;
  },

  validate(secret, errors) {
    const { data = {}, type = "" } = secret;
    for (const key of Object.keys(data)) each(configMapKey(key), `data[${key}]`, key, errors);
    if (encodedBytes(data) > DATA_BYTES) errors.tooLong("data", DATA_BYTES);
    typeRules[type]?.(secret, data, errors);
  },

  validateUpdate(secret, old, errors) {
    unchanged(secret.type, old.type, "type", errors);
    validateFrozen(secret, old, ["data"], errors);
  },

  selectableFields: ({ type }) => ({ type: type ?? "" }),
  allowUnconditionalUpdate: true,
};

export const serviceAccountStrategy: Strategy<ServiceAccount> = { allowUnconditionalUpdate: true };

const NAME = "kubernetes.io/service-account.name";

/** What a Secret of a type must hold. */
const typeRules: Readonly<Record<string, (secret: Secret, data: Values, errors: FieldErrors) => void>> = {
  "kubernetes.io/service-account-token"({ metadata }, _data, errors) {
    if (!metadata.annotations?.[NAME]) errors.required(`metadata.annotations[${NAME}]`);
  },
  "kubernetes.io/dockercfg": (_secret, data, errors) => requireJson(data, ".dockercfg", errors),
  "kubernetes.io/dockerconfigjson": (_secret, data, errors) => requireJson(data, ".dockerconfigjson", errors),
  "kubernetes.io/basic-auth"(_secret, data, errors) {
    if (Object.hasOwn(data, "username") || Object.hasOwn(data, "password")) return;
    errors.required("data[username]");
    errors.required("data[password]");
  },
  "kubernetes.io/ssh-auth"(_secret, data, errors) {
    if (!data["ssh-privatekey"]) errors.required("data[ssh-privatekey]");
  },
  "kubernetes.io/tls"(_secret, data, errors) {
    for (const key of ["tls.crt", "tls.key"]) if (!Object.hasOwn(data, key)) errors.required(`data[${key}]`);
  },
};

function requireJson(data: Values, key: string, errors: FieldErrors): void {
  const value = data[key];
  if (value === undefined) {
    errors.required(`data[${key}]`);
    return;
  }
  try {
    JSON.parse(Buffer.from(value, "base64").toString());
  } catch (error) {
    errors.invalid(`data[${key}]`, "<secret contents redacted>", error instanceof Error ? error.message : "not JSON");
  }
}

/** Bytes behind base64. */
function encodedBytes(data: Values): number {
  let sum = 0;
  for (const value of Object.values(data)) sum += Math.floor((value.replace(/=+$/, "").length * 3) / 4);
  return sum;
}

interface Freezable {
  immutable?: boolean;
}

function validateFrozen<T extends Freezable>(
  object: T,
  old: T,
  fields: readonly (keyof T & string)[],
  errors: FieldErrors,
): void {
  if (!old.immutable) return;
  if (!object.immutable) errors.forbidden("immutable", FROZEN);
  for (const field of fields) {
    if (!isDeepStrictEqual(object[field] ?? {}, old[field] ?? {})) errors.forbidden(field, FROZEN);
  }
}
