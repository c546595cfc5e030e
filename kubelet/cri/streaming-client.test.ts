/** Joining a session's streams with the caller's, where one side leaves early. */
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { systemClock } from "../../machinery/process/clock.ts";
import { join } from "./streaming-client.ts";

function session() {
  const { promise: outcome, reject } = Promise.withResolvers<never>();
  const stdout = new PassThrough();
  return {
    stdin: undefined,
    stdout,
    stderr: undefined,
    resize: () => undefined,
    outcome,
    close: () => undefined,
    reject,
  };
}

test("a reader that leaves before the session ends is no error that nobody catches", async () => {
  const left = session();
  const reader = new PassThrough();
  const joined = join(left, { stdout: reader });
  reader.destroy();
  // An unhandled rejection would show by now, and fail the run.
  await systemClock.sleep(20);
  left.reject(new Error("the connection closed"));
  await expect(joined).rejects.toThrow("the stream was cut: the connection closed");
});
