/**
 * Secret: bytes by key, and what a Secret of a known type must hold. Never shown in an error.
 */
import type { Secret } from "../../machinery/objects/kinds.ts";
import { configMapKey } from "../../machinery/objects/names.ts";
import { unchanged } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { DATA_BYTES, encodedBytes, validateFrozen } from "./frozen.ts";
import { each } from "./object-meta.ts";
import { entry } from "./path.ts";

type Values = Readonly<Record<string, string>>;

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
    for (const key in data) each(configMapKey(key), entry("data", key), key, errors);
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

/** An object in JSON; how it is wrong is said in the words of Go's reader where they are simple. */
function requireJson(data: Values, key: string, errors: FieldErrors): void {
  const value = data[key];
  const path = `data[${key}]`;
  const refuse = (why: string): void => errors.invalid(path, "<secret contents redacted>", why);
  if (value === undefined) {
    errors.required(path);
    return;
  }
  const text = Buffer.from(value, "base64").toString();
  if (text.trim() === "") {
    refuse("unexpected end of JSON input");
    return;
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The reader's own words would show what the Secret holds.
    refuse("invalid character in JSON text");
    return;
  }
  if (parsed === null || (typeof parsed === "object" && !Array.isArray(parsed))) return;
  const kind = Array.isArray(parsed) ? "array" : typeof parsed === "boolean" ? "bool" : typeof parsed;
  refuse(`json: cannot unmarshal ${kind} into Go value of type map[string]interface {}`);
}
