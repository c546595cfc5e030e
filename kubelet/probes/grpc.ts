/**
 * gRPC probe: asks grpc.health.v1.Health/Check; SERVING is a success.
 *
 * The two messages are one field each, so they are written and read by hand.
 * https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 */
import { connect } from "node:http2";
import type { Verdict } from "./attempt.ts";

const SERVING = 1;
const NAMES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const ANSWER_BYTES = 4_096;

export function probeGrpc(host: string, port: number, service: string, timeoutMs: number): Promise<Verdict> {
  return new Promise((resolve) => {
    const session = connect(`http://${host.includes(":") ? `[${host}]` : host}:${port}`);
    const end = (verdict: Verdict) => {
      resolve(verdict);
      session.destroy();
    };
    const late = AbortSignal.timeout(timeoutMs);
    late.addEventListener(
      "abort",
      () =>
        end({ ok: false, output: `timeout: failed to connect service "${host}:${port}" within ${timeoutMs / 1000}s` }),
      { once: true },
    );
    session.once("error", (error) =>
      end({ ok: false, output: `error: failed to connect service at "${host}:${port}": ${error.message}` }),
    );
    const stream = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Check",
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "kube-probe/1.36",
    });
    const chunks: Buffer[] = [];
    let size = 0;
    let failed: string | undefined;
    const status = (headers: Record<string, unknown>) => {
      const code = headers["grpc-status"];
      if (code !== undefined && code !== "0") failed = String(headers["grpc-message"] ?? `code ${code}`);
    };
    stream.on("response", status);
    stream.on("trailers", status);
    stream.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= ANSWER_BYTES) chunks.push(chunk);
    });
    stream.once("error", (error) => {
      // without a connection the session says what was wrong with it
      if (!session.connecting) end({ ok: false, output: `error: health rpc probe failed: ${error.message}` });
    });
    stream.once("end", () => {
      if (failed !== undefined) end({ ok: false, output: `error: health rpc probe failed: ${failed}` });
      else end(verdictOf(Buffer.concat(chunks), service));
    });
    stream.end(frame(service));
  });
}

/** A frame with HealthCheckRequest: field 1 is the service's name. */
function frame(service: string): Buffer {
  const name = Buffer.from(service, "utf8");
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** HealthCheckResponse: field 1 is the status, absent for 0. */
function verdictOf(bytes: Buffer, service: string): Verdict {
  const status = bytes.length >= 7 && bytes[5] === 0x08 ? (bytes[6] as number) : 0;
  if (status === SERVING) return { ok: true, output: `service: ${service}, status: SERVING` };
  return { ok: false, output: `service unhealthy (responded with "${NAMES[status] ?? status}")` };
}
