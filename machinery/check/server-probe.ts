/**
 * Server probe: whether a server is reached from here, and whether both mean the same time.
 *
 * Nothing secret is sent and nothing is trusted that comes back: who the server is, joining finds out.
 */
import { request } from "node:https";
import type { Clock } from "../process/clock.ts";
import { bad, type Finding, good, poor } from "./finding.ts";

const ANSWER_MS = 10_000;
/** The server's Date header has whole seconds. */
const UNSHARP_MS = 1_000;
const NOTED_MS = 5_000;
/** Certificates are dated back by this much; a greater difference makes new ones invalid. */
const TOO_MUCH_MS = 5 * 60_000;

export async function probeServer(server: string, clock: Clock): Promise<readonly Finding[]> {
  try {
    const began = clock.now();
    const date = await dateOf(server);
    const took = clock.now() - began;
    const reached = good("server", `${server} answers in ${took} ms`);
    return [reached, judgeSkew(Date.parse(date) + UNSHARP_MS / 2 - (began + took / 2))];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [
      bad(
        "server",
        `${server} is not reached: ${why}`,
        "look whether it runs, and whether a firewall lets its port through",
      ),
    ];
  }
}

/** By how much the server's clock is ahead of ours. */
export function judgeSkew(ms: number): Finding {
  const off = Math.max(0, Math.abs(ms) - UNSHARP_MS);
  const found =
    off === 0
      ? "as the server's"
      : `${(Math.abs(ms) / 1000).toFixed(0)} s ${ms > 0 ? "behind" : "ahead of"} the server's`;
  const advice = "let both follow a time server: timedatectl set-ntp true";
  if (off > TOO_MUCH_MS)
    return bad("clock", found, `certificates are not valid yet, or no more, on one side: ${advice}`);
  if (off > NOTED_MS) return poor("clock", found, advice);
  return good("clock", found);
}

function dateOf(server: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(
      new URL("/livez", server),
      { rejectUnauthorized: false, agent: false, timeout: ANSWER_MS },
      (answer) => {
        answer.resume();
        const { date } = answer.headers;
        if (date === undefined) reject(new Error("its answer has no date: it is no API server"));
        else resolve(date);
      },
    );
    asked.on("timeout", () => asked.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)));
    asked.on("error", reject);
    asked.end();
  });
}
