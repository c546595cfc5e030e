/**
 * HTTP body: the bytes of a request, bounded in size. How long they may take is the server's own timeout: http.ts.
 */
import type { IncomingMessage } from "node:http";
import type { RequestBody } from "../../machinery/client/transport/contract.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import { limits } from "../../machinery/process/limits.ts";

export const NO_BODY: RequestBody = { kind: "none" };

/** What the body may take at most: what the request says, or the limit where it does not say. */
export function announcedBytes({ headers }: IncomingMessage): number {
  const { "content-length": length, "transfer-encoding": encoding } = headers;
  if (encoding !== undefined) return limits.requestBodyBytes;
  return Math.min(Number(length ?? 0), limits.requestBodyBytes);
}

/** So many bytes that are too much are taken and dropped, so that a client that writes first and reads then hears why. */
const DROPPED_BYTES = 8 * limits.requestBodyBytes;

export async function bodyOf(request: IncomingMessage): Promise<RequestBody> {
  const { "content-length": length, "transfer-encoding": encoding } = request.headers;
  if (length === undefined && encoding === undefined) return NO_BODY;
  if (Number(length ?? 0) > DROPPED_BYTES) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  await new Promise<void>((resolve, reject) => {
    request.on("data", (chunk: Uint8Array) => {
      size += chunk.length;
      if (size <= limits.requestBodyBytes) return void chunks.push(chunk);
      chunks.length = 0;
      if (size <= DROPPED_BYTES) return;
      request.removeAllListeners("data").resume();
      reject(tooLarge());
    });
    request.on("end", resolve);
    request.on("error", reject);
    request.on("close", () => {
      if (!request.complete) reject(new ApiError("BadRequest", "the body ended before it was whole"));
    });
  });
  if (size > limits.requestBodyBytes) throw tooLarge();
  if (size === 0) return NO_BODY;
  return { kind: "bytes", bytes: chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks) };
}

const tooLarge = (): ApiError =>
  new ApiError("RequestEntityTooLarge", `Request entity too large: limit is ${limits.requestBodyBytes}`);
