/**
 * Refused connection: the answer to bytes that are no HTTP request, or none that is taken.
 *
 * The answer must arrive: a connection that is closed while bytes of the client are unread is reset, and takes the
 * answer along. So they are read and dropped for a moment. What is a request is answered in http.ts.
 */
import type { Server } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";

const STATUS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Payload Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

export function answerRefused(server: Server, clock: Clock): void {
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    // an answer that has begun cannot become another
    const answering = (socket as { _httpMessage?: { headersSent: boolean } })._httpMessage?.headersSent === true;
    if (!socket.writable || error.code === "ECONNRESET" || answering) return void socket.destroy();
    const status = STATUS[error.code ?? ""] ?? "400 Bad Request";
    const head = `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close`;
    socket.removeAllListeners("data");
    socket.on("data", () => {});
    socket.on("error", () => socket.destroy());
    socket.end(`${head}\r\n\r\n${status}\n`);
    const lingering = clock.after(limits.lingerMs, () => socket.destroy(), { background: true });
    socket.on("close", () => lingering.cancel());
  });
}
