/**
 * Peers: a node whose agent holds its tunnel at another server is reached through that server.
 *
 * All others are asked at a time, and the first that has the tunnel gives the stream; so it does not matter to which
 * server an agent or a client came, and nothing has to be kept in step. Answered in ../request/peer-tunnel.ts.
 */
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import type { KeyPair } from "../../machinery/pki/certificates.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import { dialUpgrade } from "../../machinery/streams/upgrade.ts";
import type { ServerAddress } from "./presence.ts";

export const PEER_TUNNEL_PATH = "/k8ts/v1/peer-tunnel";
/** What the connection becomes. */
export const PEER_PROTOCOL = "k8ts-peer";

export interface PeerIdentity {
  /** PEM of the authority of all servers. */
  readonly authority: string;
  /** A client certificate as that of a server, good for now. */
  identity(): Promise<KeyPair>;
}

/** A stream to the node through one of the servers, undefined when none of them has its tunnel. */
export type ReachThroughPeers = (
  servers: readonly ServerAddress[],
  node: string,
  signal?: AbortSignal,
) => Promise<Duplex | undefined>;

export function createPeers({ authority, identity }: PeerIdentity, clock: Clock): ReachThroughPeers {
  const ask = async (server: ServerAddress, node: string, signal: AbortSignal): Promise<Duplex> => {
    const { certificate, key } = await identity();
    const host = `${server.address}:${server.port}`;
    const path = `${PEER_TUNNEL_PATH}?node=${encodeURIComponent(node)}`;
    let stop = () => {};
    const connect = () => {
      const socket = connectTls({
        host: server.address,
        port: server.port,
        ca: authority,
        cert: certificate,
        key,
        ALPNProtocols: ["http/1.1"],
      });
      stop = () => void socket.destroy(new Error("the server does not answer"));
      signal.addEventListener("abort", stop, { once: true });
      return socket;
    };
    const { socket, head } = await dialUpgrade({ connect, path, host }, { upgrade: PEER_PROTOCOL });
    signal.removeEventListener("abort", stop);
    if (head.length > 0) socket.unshift(head);
    return socket;
  };

  return async (servers, node, signal) => {
    if (servers.length === 0) return undefined;
    const patience = new AbortController();
    const giveUp = () => patience.abort();
    clock.after(limits.peerDialMs, giveUp, { background: true }); // those too that are slower than the first
    signal?.addEventListener("abort", giveUp, { once: true });
    const asked = servers.map((server) => ask(server, node, patience.signal));
    try {
      const first = await Promise.any(asked);
      for (const one of asked)
        void one.then(
          (stream) => stream === first || stream.destroy(),
          () => undefined,
        );
      return first;
    } catch {
      return undefined; // none of them has it, or none can be asked: the caller says so
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  };
}
