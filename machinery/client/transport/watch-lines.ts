/**
 * Watch lines: turns the bytes of a watch into batches of events.
 *
 * One chunk gives one batch at most; only an unfinished line is kept, up to a limit.
 */
import { parseJson } from "../../objects/json.ts";
import { ApiError } from "../../objects/status.ts";
import { limits } from "../../process/limits.ts";
import type { WatchEvent } from "./contract.ts";

const NEWLINE = 10;

export async function* decodeWatch(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly WatchEvent[]> {
  let kept: Uint8Array[] = [];
  let keptBytes = 0;
  for await (const chunk of chunks) {
    const batch: WatchEvent[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...kept, chunk.subarray(start, end)]).toString("utf8");
      if (line.trim()) batch.push(parseJson(line) as WatchEvent);
      kept = [];
      keptBytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      kept.push(chunk.subarray(start));
      keptBytes += chunk.length - start;
      if (keptBytes > limits.watchLineBytes)
        throw new ApiError("InternalError", `an event of the watch exceeds ${limits.watchLineBytes} bytes`);
    }
    if (batch.length > 0) yield batch;
  }
}
