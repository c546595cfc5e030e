/**
 * Stream: one end of a connection that is as busy as it can be. Arguments: "serve PORT", or "send", which reads lines of
 * "HOST PORT MS" and answers each with bytes a second as the other end counts them, and milliseconds of a round trip of
 * one byte (p50, p99).
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { createInterface } from "node:readline";

const [mode, ownPort = "0"] = process.argv.slice(2);
const PIECE = Buffer.alloc(256 * 1024, "x");
const ROUND_TRIPS = 300;

/** The first byte says what is wanted: "t" to count what comes, "e" to send back each byte. */
function serve(socket: Socket): void {
  socket.setNoDelay(true);
  let bytes = 0;
  let kind: number | undefined;
  socket.on("data", (data) => {
    kind ??= data[0];
    if (kind === 0x65) socket.write(data);
    bytes += data.length;
  });
  socket.on("end", () => socket.end(kind === 0x74 ? String(bytes) : ""));
  socket.on("error", () => socket.destroy());
}

async function throughput(host: string, port: number, ms: number): Promise<number> {
  const socket = connect(port, host);
  await once(socket, "connect");
  const begin = performance.now();
  socket.write("t");
  while (performance.now() - begin < ms) if (!socket.write(PIECE)) await once(socket, "drain");
  socket.end();
  const [answer] = (await once(socket, "data")) as [Buffer];
  return (Number(answer.toString()) * 1000) / (performance.now() - begin);
}

async function roundTrips(host: string, port: number): Promise<readonly number[]> {
  const socket = connect(port, host);
  await once(socket, "connect");
  socket.setNoDelay(true);
  const times: number[] = [];
  for (let count = 0; count < ROUND_TRIPS; count++) {
    const begin = performance.now();
    socket.write("e");
    await once(socket, "data");
    times.push(performance.now() - begin);
  }
  socket.destroy();
  return times.sort((a, b) => a - b).slice(0, -1);
}

if (mode === "serve") createServer({ allowHalfOpen: true }, serve).listen(Number(ownPort), () => console.log("up"));
else
  for await (const line of createInterface({ input: process.stdin })) {
    const [host = "", port = "0", ms = "0"] = line.split(" ");
    const bytes = await throughput(host, Number(port), Number(ms));
    const times = await roundTrips(host, Number(port));
    const at = (share: number) => times[Math.floor(times.length * share)];
    process.stdout.write(`${JSON.stringify({ bytes, p50: at(0.5), p99: at(0.99) })}\n`);
  }
