/**
 * Health: /healthz, /livez and /readyz with named checks, as Kubernetes shows them.
 *
 * A check answers why it fails, or nothing. `/readyz/store` asks one of them alone; `?verbose` lists all.
 * https://kubernetes.io/docs/reference/using-api/health-checks/
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
  const [kind = "", ...rest] = path.split("/").filter((part) => part !== "");
  const relevant = checks.filter(({ live }) => live || kind === "readyz");
  return rest.length > 0 ? one(rest.join("/"), relevant) : all(kind, query, relevant);
}

async function one(wanted: string, checks: readonly HealthCheck[]): Promise<ResponseRecord> {
  const found = checks.find(({ name }) => name === wanted);
  if (!found) throw nothingThere();
  const why = await found.check();
  return why === undefined ? ok("ok") : failed(`internal server error: ${why}`);
}

/** Everybody may ask this: why a check fails is told by the check alone. */
async function all(kind: string, query: URLSearchParams, checks: readonly HealthCheck[]): Promise<ResponseRecord> {
  const excluded = new Set(query.getAll("exclude").filter((name) => name !== ""));
  const results = await Promise.all(
    checks.map(async ({ name, check }) => {
      if (excluded.has(name)) return { line: `[+]${name} excluded: ok`, good: true };
      const good = (await check()) === undefined;
      return { line: good ? `[+]${name} ok` : `[-]${name} failed: reason withheld`, good };
    }),
  );
  const unknown = [...excluded].filter((name) => !checks.some((check) => check.name === name));
  const warning = `warn: some health checks cannot be excluded: no matches for ${unknown.map((name) => JSON.stringify(name)).join(",")}`;
  const lines = [...results.map(({ line }) => line), ...(unknown.length > 0 ? [warning] : [])].map(
    (line) => `${line}\n`,
  );
  if (results.some(({ good }) => !good)) return failed(`${lines.join("")}${kind} check failed`);
  return ok(query.has("verbose") ? `${lines.join("")}${kind} check passed\n` : "ok");
}

function ok(text: string): ResponseRecord {
  const response = respondText(200, text);
  return { ...response, headers: { ...response.headers, "x-content-type-options": "nosniff" } };
}

function failed(text: string): ResponseRecord {
  const response = respondText(500, `${text}\n`);
  return { ...response, headers: { ...response.headers, "x-content-type-options": "nosniff" } };
}
