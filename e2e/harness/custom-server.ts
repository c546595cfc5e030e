/**
 * Custom server: the pipeline of this process with definitions of custom kinds, which are served when they are made.
 */
import { DEFINITIONS_PATH, type DefineOptions, definition, withSpec } from "../../apiserver/custom/fixture.ts";
import { type Pipeline, type RawResponse, startPipeline } from "./pipeline.ts";

type Json = Record<string, unknown>;

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

/** A kind of its own for a test, with a way to write objects of it. */
export async function kindOf(server: CustomServer, schema: Json, version: Json = {}) {
  const kind = `Kind${server.pipeline.clock.uuid().slice(0, 8)}`;
  await server.define({ kind, schema, version });
  const path = `/apis/example.com/v1/namespaces/default/${kind.toLowerCase()}s`;
  const object = (spec: unknown, name = "one"): Json => ({
    apiVersion: "example.com/v1",
    kind,
    metadata: { name },
    spec,
  });
  const patch = (body: unknown, name = "one", sub = "") =>
    server.send("PATCH", `${path}/${name}${sub}`, body, { "content-type": "application/merge-patch+json" });
  return {
    kind,
    path,
    object,
    patch,
    create: (spec: unknown, name?: string) => server.create(path, object(spec, name)),
  };
}

/** What is wrong with a spec, as its causes say it. */
export async function faultsOf(
  server: CustomServer,
  properties: Json,
  spec: unknown,
  more: Json = {},
): Promise<string[]> {
  const { create } = await kindOf(server, withSpec(properties, more));
  const { value } = await create(spec);
  const causes = (value.details?.causes ?? []) as { field: string; message: string }[];
  return causes.map(({ field, message }) => `${field}: ${message}`);
}
