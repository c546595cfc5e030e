/**
 * Joinable: a server with its controllers in this process, over TLS on loopback, that machines may join.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { apiserverFlags, startApiserver } from "../../apiserver/apiserver.ts";
import { runControllers } from "../../controllers/controllers.ts";
import type { Client } from "../../machinery/client/client.ts";
import { createClient } from "../../machinery/client/create-client.ts";
import { directTransport } from "../../machinery/client/transport/direct.ts";
import { tokenCommand } from "../../machinery/join/token-command.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { parseFlags } from "../../machinery/process/flags.ts";
import { silent } from "../../machinery/process/logging.ts";

export interface Joinable {
  /** "https://127.0.0.1:…" */
  readonly server: string;
  readonly home: string;
  /** PEM of its authority. */
  readonly authority: string;
  readonly admin: Client;
  /** `k8ts token …`: what it printed. */
  token(...args: string[]): Promise<string>;
  /** A directory of the test's own, gone after `close`. */
  directory(): Promise<string>;
  close(): Promise<void>;
}

export async function startJoinable(): Promise<Joinable> {
  const root = await mkdtemp(join(tmpdir(), "k8ts-join-"));
  const home = join(root, "server");
  const context = { clock: systemClock, log: silent };
  const flags = { listen: "127.0.0.1", port: 0, "advertise-address": "127.0.0.1", store: "memory", "node-name": "one" };
  const server = await startApiserver({ ...parseFlags(apiserverFlags, []), ...flags }, { ...context, home });
  const as = (user: string, groups: string[]) => directTransport({ handler: server.handler, user, groups });
  const stopping = new AbortController();
  const controllers = runControllers({
    ...context,
    transport: as("system:kube-controller-manager", ["system:authenticated"]),
    signal: stopping.signal,
    leadership: "none",
    signing: server.pki.authority,
  });
  let directories = 0;
  return {
    server: `https://127.0.0.1:${server.port}`,
    home,
    authority: server.pki.authority.certificate,
    admin: createClient(as("admin", ["system:masters"])),
    async token(...args) {
      let text = "";
      await tokenCommand(args, { home, clock: systemClock, env: {}, print: (said) => (text += said) });
      return text.trim();
    },
    directory: () => Promise.resolve(join(root, `machine-${directories++}`)),
    async close() {
      stopping.abort(new Error("closed"));
      await controllers;
      await server.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}
