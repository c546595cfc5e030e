/**
 * API subjects: the servers that are put under load side by side: every store behind every transport, and
 * the no-op server that is their ceiling. One load process serves all of them, one after the other.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { hasEtcd, startEtcd } from "../../apiserver/store/etcd/etcd-server.ts";
import { type Child, startChild } from "./child.ts";
import type { Target } from "./http-connection.ts";
import type { ServerOptions } from "./server-process.ts";

export type StoreKind = Exclude<ServerOptions["kind"], "noop">;
export type TransportKind = Target["transport"] | "direct";

export interface ApiServer {
  readonly kind: ServerOptions["kind"];
  readonly child: Child;
  readonly target: Omit<Target, "transport">;
}

export interface Subject {
  readonly server: ApiServer;
  readonly transport: TransportKind;
}

export interface Subjects {
  readonly load: Child;
  readonly noop: ApiServer;
  readonly servers: readonly ApiServer[];
  /** All stores with all transports, the no-op server's two first. */
  readonly all: readonly Subject[];
  close(): Promise<void>;
}

const file = (name: string) => join(import.meta.dirname, name);

export async function startSubjects(directory: string, stores: readonly StoreKind[]): Promise<Subjects> {
  const opened: { stop(): Promise<void> }[] = [];
  const close = async () => {
    for (const one of opened.splice(0).reverse()) await one.stop();
  };
  const started = <T extends { stop(): Promise<void> }>(one: T): T => {
    opened.push(one);
    return one;
  };
  try {
    const etcd = stores.includes("etcd") ? started(await startEtcd()).endpoint : undefined;
    const serve = async (kind: ServerOptions["kind"]): Promise<ApiServer> => {
      const home = join(directory, kind);
      mkdirSync(home, { mode: 0o700 });
      const child = started(startChild(file("server-process.ts")));
      const target = await child.call<ApiServer["target"]>("start", { kind, home, etcd } satisfies ServerOptions);
      return { kind, child, target };
    };
    const noop = await serve("noop");
    const servers: ApiServer[] = [];
    for (const store of stores) servers.push(await serve(store));
    const load = started(startChild(file("load-process.ts")));
    const all: Subject[] = [
      { server: noop, transport: "https" },
      { server: noop, transport: "unix" },
      ...servers.flatMap((server) =>
        (["https", "unix", "direct"] as const).map((transport): Subject => ({ server, transport })),
      ),
    ];
    return { load, noop, servers, all, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The stores that were asked for and that this machine can run. */
export function availableStores(asked: readonly string[]): readonly StoreKind[] {
  const all: readonly StoreKind[] = ["memory", "embedded", "etcd"];
  return all.filter((kind) => asked.includes(kind) && (kind !== "etcd" || hasEtcd()));
}
