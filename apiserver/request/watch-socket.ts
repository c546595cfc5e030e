/**
 * Watch socket: a watch over a WebSocket (RFC 6455), one event a message.
 *
 * As in Kubernetes: JSON goes as text, everything else as binary; what the client says is passed over; the first
 * sub-protocol that is not a token is agreed on and changes nothing. A client that does not read is not waited
 * for with memory: the next batch is asked for when the last one has left, and the cache cuts the watch off.
 */
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import {
  type RequestRecord,
  type ResponseBody,
  type ResponseRecord,
  TOKEN_PROTOCOL,
} from "../../machinery/client/transport/contract.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import { acceptWebSocket, isWebSocketRequest, listed } from "../../machinery/streams/upgrade.ts";

/** Messages that may wait for the kernel at a time. */
const TOGETHER = 16;

type WatchBody = ResponseBody & { readonly kind: "watch" };

/** The watch that this response is, where the request was for a WebSocket. */
export function watchOverSocket({ body }: ResponseRecord, record: RequestRecord): WatchBody | undefined {
  return body.kind === "watch" && isWebSocketRequest(record) ? body : undefined;
}

/** Resolves when the watch is over and the connection closed. */
export async function serveWatchSocket(
  { headers }: ResponseRecord,
  { batches, sent: told }: WatchBody,
  record: RequestRecord,
  socket: Duplex,
  head: Uint8Array,
  clock: Clock,
): Promise<void> {
  const binary = !String(headers["content-type"]).startsWith("application/json");
  const ws = await accepted(record, socket, head).catch(() => undefined);
  if (!ws) return void (await batches[Symbol.asyncIterator]().return?.()); // refused, and the client knows why
  ws.on("error", () => ws.terminate());
  ws.resume(); // messages of the client are read and passed over
  try {
    for await (const batch of batches) {
      let bytes = 0;
      for (const [index, item] of batch.entries()) {
        const wait = (index + 1) % TOGETHER === 0 || index === batch.length - 1;
        bytes += item.encoded().length;
        if (!wait) ws.send(item.encoded(), { binary });
        else if (!(await sent(ws, item.encoded(), binary, clock))) return ws.terminate();
      }
      told?.(batch.length, bytes);
    }
    ws.close(1000);
    const timer = clock.after(limits.streamCloseMs, () => ws.terminate(), { background: true });
    ws.once("close", () => timer.cancel());
  } catch (error) {
    ws.terminate();
    throw error;
  }
}

async function accepted(record: RequestRecord, socket: Duplex, head: Uint8Array): Promise<WebSocket> {
  const offered = listed(record.headers["sec-websocket-protocol"]);
  // A token alone leaves no protocol to agree on: refused, as Kubernetes does.
  const protocols = offered.filter((name) => !name.startsWith(TOKEN_PROTOCOL));
  const { ws } = await acceptWebSocket({ method: "GET", headers: record.headers }, socket, head, ["", ...protocols]);
  return ws;
}

/** Resolves when the kernel has the message: false when the client is gone, or takes nothing for too long. */
function sent(ws: WebSocket, bytes: Uint8Array, binary: boolean, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (taken: boolean) => {
      stall.cancel();
      ws.off("close", gone);
      resolve(taken);
    };
    const gone = () => end(false);
    const stall = clock.after(limits.watchStallMs, gone, { background: true });
    ws.once("close", gone);
    ws.send(bytes, { binary }, (error) => end(!error));
  });
}
