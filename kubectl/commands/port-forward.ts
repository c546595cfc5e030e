/** kubectl port-forward: listens on this machine and carries connections into a Pod. */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Pod, Service } from "../../machinery/objects/kinds.ts";
import type { PortForwardClientSession } from "../../machinery/streams/channels.ts";
import { dialPortForward } from "../../machinery/streams/dial.ts";
import { defineCommand, type Run } from "../command.ts";
import { CommandError } from "../errors.ts";
import type { FlagTable } from "../flags.ts";
import { findOne, podPath, podsBehind } from "../pods.ts";
import type { FoundObject } from "../selection.ts";

const flags = {
  address: { type: "string", default: "localhost", help: "Addresses to listen on (comma separated)." },
} as const satisfies FlagTable;

interface PortPair {
  /** 0 for any that is free. */
  readonly local: number;
  readonly remote: number;
}

export const portForward = defineCommand({
  usage: "port-forward TYPE/NAME [options] [LOCAL_PORT:]REMOTE_PORT [...[LOCAL_PORT_N:]REMOTE_PORT_N]",
  summary: "Forward one or more local ports to a pod.",
  examples: ["kubectl port-forward pod/mypod 5000 6000", "kubectl port-forward service/web :80"],
  flags,
  async run(run) {
    const [name, ...ports] = run.args;
    if (name === undefined || ports.length === 0)
      throw new CommandError("TYPE/NAME and list of ports are required for port-forward");
    const cluster = await run.cluster();
    const found = await findOne(cluster, [name]);
    const [pod] = (await podsBehind(cluster, found)).filter(({ status }) => status?.phase === "Running");
    if (!pod) throw new CommandError(`unable to forward port because pod is not running. Current status=Pending`);
    const pairs = ports.map((text) => pairOf(text, found, pod));
    const path = await podPath(cluster, pod, "portforward", new URLSearchParams());
    const session = await dialPortForward(await cluster.dialTarget(path), { clock: run.clock });
    await serve(run, session, pairs);
  },
});

function pairOf(text: string, found: FoundObject, pod: Pod): PortPair {
  const [first = "", second] = text.split(":");
  const remote = remotePort(second ?? first, found, pod);
  const local = second === undefined ? Number(/^\d+$/.test(first) ? first : remote) : first === "" ? 0 : Number(first);
  if (!Number.isInteger(local) || local < 0 || local > 65_535)
    throw new CommandError(
      `error parsing local port '${first}': strconv.ParseUint: parsing "${first}": invalid syntax`,
    );
  return { local, remote };
}

/** A Service's port goes to its target; names are looked up in the Pod. */
function remotePort(text: string, found: FoundObject, pod: Pod): number {
  const named = (name: string) =>
    pod.spec?.containers?.flatMap(({ ports = [] }) => ports).find((port) => port.name === name)?.containerPort;
  if (found.type.kind === "Service" && found.type.group === "") {
    const { ports = [] } = (found.object as unknown as Service).spec ?? {};
    const port = ports.find((one) => String(one.port) === text || one.name === text);
    if (!port) throw new CommandError(`Service ${found.name} does not have a service port ${text}`);
    const target = port.targetPort ?? port.port;
    const number = typeof target === "number" ? target : named(String(target));
    if (number === undefined)
      throw new CommandError(`Pod '${pod.metadata.name}' does not have a named port '${target}'`);
    return number;
  }
  const number = /^\d+$/.test(text) ? Number(text) : named(text);
  if (number === undefined || number < 1 || number > 65_535)
    throw new CommandError(`Pod '${pod.metadata.name}' does not have a named port '${text}'`);
  return number;
}

async function serve(
  run: Run<typeof flags>,
  session: PortForwardClientSession,
  pairs: readonly PortPair[],
): Promise<void> {
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  const addresses = run.flags.address.split(",").flatMap((one) => (one === "localhost" ? ["127.0.0.1", "::1"] : [one]));
  try {
    for (const pair of pairs) {
      let { local } = pair;
      let bound = 0;
      for (const address of addresses) {
        const server = createServer({ allowHalfOpen: true }, (socket) => {
          sockets.add(socket);
          socket.once("close", () => sockets.delete(socket));
          run.out(`Handling connection for ${local}\n`);
          void carry(run, session, socket, pair.remote);
        });
        try {
          await listen(server, local, address);
        } catch (error) {
          // A machine without IPv6 has no ::1 to listen on.
          if (address === "::1" && bound > 0) continue;
          throw new CommandError(`unable to listen on port ${local}: ${(error as Error).message}`);
        }
        bound++;
        servers.push(server);
        local = (server.address() as AddressInfo).port;
        const shown = address.includes(":") ? `[${address}]` : address;
        run.out(`Forwarding from ${shown}:${local} -> ${pair.remote}\n`);
      }
    }
    await ended(session, run.io.signal);
    if (!run.io.signal.aborted) throw new CommandError("lost connection to pod");
  } finally {
    session.close();
    for (const server of servers) server.close();
    for (const socket of sockets) socket.destroy();
  }
}

const listen = (server: Server, port: number, address: string) =>
  new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, address, () => resolve());
  });

const ended = (session: PortForwardClientSession, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted || session.signal.aborted) return resolve();
    session.signal.addEventListener("abort", () => resolve(), { once: true });
    signal.addEventListener("abort", () => resolve(), { once: true });
  });

async function carry(
  run: Run<typeof flags>,
  session: PortForwardClientSession,
  socket: Socket,
  port: number,
): Promise<void> {
  try {
    const stream = await session.connect(port);
    stream.once("error", (error) => {
      run.err(`error: an error occurred forwarding to ${port}: ${error.message}\n`);
      socket.destroy();
    });
    socket.once("error", () => stream.destroy());
    socket.pipe(stream).pipe(socket);
  } catch (error) {
    run.err(`error: error creating forwarding stream for port ${port}: ${(error as Error).message}\n`);
    socket.destroy();
  }
}
