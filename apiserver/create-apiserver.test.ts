/** The API server over a store that is not there yet: it says so, and begins by itself when it comes. */
import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import type { RequestRecord } from "../machinery/client/transport/contract.ts";
import { systemClock } from "../machinery/process/clock.ts";
import { silent } from "../machinery/process/logging.ts";
import { type Apiserver, createApiserver } from "./create-apiserver.ts";
import { loadSchema } from "./schema/load.ts";
import { type Store, StoreError } from "./store/contract.ts";
import { createMemoryStore } from "./store/memory.ts";

/** A store that can be taken away. */
function fragile(): Store & { down: boolean } {
  const memory = createMemoryStore({ clock: systemClock });
  const store = { ...memory, down: true };
  const guarded = ["get", "list", "commit", "revision", "history", "compact"] as const;
  for (const name of guarded)
    Object.assign(store, {
      [name]: async (...args: never[]) => {
        if (store.down) throw new StoreError("unavailable", "connection refused");
        return (memory[name] as (...all: never[]) => unknown)(...args);
      },
    });
  return store;
}

async function statusOf({ handler }: Apiserver, path: string, peer: RequestRecord["peer"]): Promise<number> {
  const { status } = await handler({
    method: "GET",
    path,
    query: new URLSearchParams(),
    headers: {},
    body: { kind: "none" },
    peer,
    upgrade: false,
    signal: new AbortController().signal,
  });
  return status;
}

const admin = { kind: "certificate", user: "admin", groups: ["system:masters"] } as const;
const scheduler = { kind: "direct", user: "system:kube-scheduler", groups: [] } as const;
const anonymous = { kind: "anonymous" } as const;

async function make(store: Store): Promise<Apiserver> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const tokenKey = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const schema = await loadSchema();
  return createApiserver({ store, schema, clock: systemClock, log: silent, tokenKey, advertiseAddress: "192.0.2.1" });
}

test("while the store is away, only health is answered; when it comes, everything is", async () => {
  const store = fragile();
  const apiserver = await make(store);
  const starting = apiserver.start();
  expect(await statusOf(apiserver, "/livez", anonymous)).toBe(200);
  expect(await statusOf(apiserver, "/readyz", anonymous)).toBe(500);
  expect(await statusOf(apiserver, "/api/v1/nodes", scheduler)).toBe(503);
  expect(await statusOf(apiserver, "/api/v1/nodes", admin)).toBe(503);

  store.down = false;
  await starting;
  expect(await statusOf(apiserver, "/readyz", anonymous)).toBe(200);
  expect(await statusOf(apiserver, "/api/v1/nodes", scheduler)).toBe(200);
  await apiserver.close();
  expect(await statusOf(apiserver, "/api/v1/nodes", admin)).toBe(503);
  await store.close();
}, 60_000);

test("a start that is given up rejects with the reason", async () => {
  const store = fragile();
  const apiserver = await make(store);
  const stop = new AbortController();
  const starting = apiserver.start(stop.signal);
  stop.abort(new Error("stopped by SIGTERM"));
  await expect(starting).rejects.toThrow("stopped by SIGTERM");
  await apiserver.close();
  await store.close();
});
