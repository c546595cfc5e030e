/**
 * Conntrack: forgets connections of UDP that go to endpoints which are gone.
 *
 * UDP has no end: a client that goes on sending would keep an endpoint for ever. The kernel's table is read after a
 * change that concerns UDP, and only entries of our Services are touched. TCP is left alone: its connections end by
 * themselves, and those to a Pod that terminates are to be finished.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { IpFamily } from "../../machinery/objects/ip.ts";
import { environment } from "../network/nft.ts";
import type { Flow } from "./service-rules.ts";

const run = promisify(execFile);
const MOST_BYTES = 256 * 1024 * 1024;

interface Entry {
  /** Where the client sent it. */
  readonly to: string;
  readonly port: number;
  /** Who answers. */
  readonly by: string;
  readonly byPort: number;
}

/** Answers how many kinds of entries were stale; undefined where the program is missing. */
export async function cleanConntrack(
  family: IpFamily,
  flows: readonly Flow[],
  own: ReadonlySet<string>,
): Promise<number | undefined> {
  const common = ["-f", family === "IPv4" ? "ipv4" : "ipv6", "-p", "udp"];
  let text: string;
  try {
    text = (await run("conntrack", ["-L", ...common], { env: environment(), maxBuffer: MOST_BYTES })).stdout;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const stale = staleOf(parseEntries(text), flows, own);
  for (const { to, port, by, byPort } of stale) {
    const which = ["--orig-dst", to, "--orig-port-dst", String(port), "--reply-src", by];
    await forget([...common, ...which, "--reply-port-src", String(byPort)]);
  }
  return stale.length;
}

/** An entry that ended meanwhile is as good. */
async function forget(args: readonly string[]): Promise<void> {
  try {
    await run("conntrack", ["-D", ...args], { env: environment() });
  } catch (error) {
    if (!/ 0 flow entries have been deleted/.test((error as { stderr?: string }).stderr ?? "")) throw error;
  }
}

export function parseEntries(text: string): readonly Entry[] {
  const pattern = /src=\S+ dst=(\S+) sport=\d+ dport=(\d+).*? src=(\S+) dst=\S+ sport=(\d+) dport=\d+/;
  return text.split("\n").flatMap((line) => {
    const [, to, port, by, byPort] = pattern.exec(line) ?? [];
    return to && by ? [{ to, port: Number(port), by, byPort: Number(byPort) }] : [];
  });
}

/** One of each kind. `own`: addresses of this node, at which node ports are. */
export function staleOf(entries: readonly Entry[], flows: readonly Flow[], own: ReadonlySet<string>): readonly Entry[] {
  const answering = new Map<string, Set<string>>();
  for (const { address = "", port, targets } of flows) {
    const who = answering.get(`${address} ${port}`) ?? new Set();
    answering.set(`${address} ${port}`, who);
    for (const target of targets) who.add(`${target.address} ${target.port}`);
  }
  const found = new Map<string, Entry>();
  for (const entry of entries) {
    const { to, port, by, byPort } = entry;
    const who = answering.get(`${to} ${port}`) ?? (own.has(to) ? answering.get(` ${port}`) : undefined);
    if (!who || who.has(`${by} ${byPort}`)) continue;
    // Sent before there was an endpoint: to nobody, but while there is none it may be a program of this node's own.
    if (by === to && who.size === 0) continue;
    found.set(`${to} ${port} ${by} ${byPort}`, entry);
  }
  return [...found.values()];
}
