/**
 * Health: /healthz, /livez and /readyz with named checks, as Kubernetes shows them.
 *
 * A check answers why it fails, or nothing. `/readyz/store` asks one of them alone; `?verbose` lists all.
 */
import type { ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { nothingThere } from "./refusals.ts";
import { respondText } from "./respond.ts";

export type Check = () => string | undefined | Promise<string | undefined>;

export interface HealthCheck {
  readonly name: string;
  readonly check: Check;
  /** False for what only says that the server may be asked yet, not whether it lives. */
  readonly live: boolean;
}

export async function health(
  path: string,
  query: URLSearchParams,
  checks: readonly HealthCheck[],
): Promise<ResponseRecord> {
  const [kind = "", only] = path.split("/").filter((part) => part !== "");
  const excluded = new Set(query.getAll("exclude"));
  const relevant = checks.filter(({ live, name }) => (live || kind === "readyz") && !excluded.has(name));
  if (only !== undefined) {
    const one = relevant.find(({ name }) => name === only);
    if (!one) throw nothingThere();
    const why = await one.check();
    return why === undefined ? respondText(200, "ok") : respondText(500, `internal server error: ${why}`);
  }
  const results = await Promise.all(relevant.map(async ({ name, check }) => ({ name, why: await check() })));
  const failed = results.filter(({ why }) => why !== undefined);
  const lines = results.map(({ name, why }) => (why === undefined ? `[+]${name} ok` : `[-]${name} failed: ${why}`));
  if (failed.length > 0) return respondText(500, `${[...lines, `${kind} check failed`].join("\n")}\n`);
  return respondText(200, query.has("verbose") ? `${[...lines, `${kind} check passed`].join("\n")}\n` : "ok");
}
