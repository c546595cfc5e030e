/**
 * Fixture: definitions for the tests of this folder, and a server that has them.
 */
import { type Pipeline, type RawResponse, startPipeline } from "../../e2e/harness/pipeline.ts";

export const DEFINITIONS_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

type Json = Record<string, unknown>;

export interface DefineOptions {
  readonly group?: string;
  readonly kind?: string;
  readonly scope?: string;
  /** Of the only version, v1. */
  readonly schema?: Json;
  /** Besides name, schema, served and storage of that version. */
  readonly version?: Json;
  /** Instead of that version. */
  readonly versions?: readonly Json[];
  readonly spec?: Json;
  readonly annotations?: Record<string, string>;
}

/** A definition of the kind Thing in example.com. */
export function definition(options: DefineOptions = {}): Json {
  const { group = "example.com", kind = "Thing", scope = "Namespaced", version = {}, spec = {}, annotations } = options;
  const schema = {
    openAPIV3Schema: options.schema ?? { type: "object", "x-kubernetes-preserve-unknown-fields": true },
  };
  const plural = `${kind.toLowerCase()}s`;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}`, ...(annotations ? { annotations } : {}) },
    spec: {
      group,
      scope,
      names: { plural, kind },
      versions: options.versions ?? [{ name: "v1", served: true, storage: true, schema, ...version }],
      ...spec,
    },
  };
}

export const versionOf = (name: string, schema: Json, more: Json = {}): Json => ({
  name,
  served: true,
  storage: false,
  schema: { openAPIV3Schema: schema },
  ...more,
});

/** A schema with these fields under spec. */
export const withSpec = (properties: Json, more: Json = {}): Json => ({
  type: "object",
  properties: { spec: { type: "object", properties, ...more } },
});

export interface CustomServer {
  readonly pipeline: Pipeline;
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<RawResponse>;
  /** Makes the definition and waits until it is served. */
  define(options?: DefineOptions): Promise<void>;
  /** Changes the definition and waits until the change is served. */
  redefine(name: string, patch: unknown): Promise<void>;
  /** Waits until the definition is gone. */
  undefine(name: string): Promise<void>;
  create(path: string, object: Json): Promise<RawResponse>;
}

export async function startCustomServer(): Promise<CustomServer> {
  const pipeline = await startPipeline();
  const send: CustomServer["send"] = (method, path, body, headers = {}) =>
    pipeline.send({ method, path, ...(body === undefined ? {} : { body }), headers });
  const until = async (what: string, holds: () => Promise<boolean>) => {
    for (let tries = 0; tries < 500; tries++) {
      if (await holds()) return;
      await pipeline.clock.sleep(5);
    }
    throw new Error(`${what} did not happen in time`);
  };
  const served = (name: string) =>
    until(`${name} being served`, async () => {
      const { value } = await send("GET", `${DEFINITIONS_PATH}/${name}`);
      const conditions = (value.status?.conditions ?? []) as { type: string; status: string }[];
      if (!conditions.some(({ type, status }) => type === "Established" && status === "True")) return false;
      const version = value.spec.versions.find((one: { served: boolean }) => one.served);
      if (!version) return true;
      const { status } = await send("GET", `/apis/${value.spec.group}/${version.name}/${value.spec.names.plural}`);
      return status === 200;
    });
  return {
    pipeline,
    send,
    async define(options) {
      const made = await send("POST", DEFINITIONS_PATH, definition(options));
      if (made.status !== 201) throw new Error(made.value.message);
      await served(made.value.metadata.name);
    },
    async redefine(name, patch) {
      const headers = { "content-type": "application/merge-patch+json" };
      const changed = await send("PATCH", `${DEFINITIONS_PATH}/${name}`, patch, headers);
      if (changed.status !== 200) throw new Error(changed.value.message);
      // the registry hears of it by watch, in the store's order
      await pipeline.clock.sleep(30);
    },
    async undefine(name) {
      await send("DELETE", `${DEFINITIONS_PATH}/${name}`);
      await until(`${name} going`, async () => (await send("GET", `${DEFINITIONS_PATH}/${name}`)).status === 404);
    },
    create: (path, object) => send("POST", path, object),
  };
}
