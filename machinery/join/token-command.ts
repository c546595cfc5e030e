/**
 * token: makes, shows and deletes the tokens by which machines join. The command behind `k8ts token`.
 *
 * A token is a Secret of Kubernetes' own kind, so kubeadm's habits and kubectl see it too. Only its maker sees the secret
 * part: `list` shows what a token may do, not the token.
 * https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
 */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Client } from "../client/client.ts";
import { createClient } from "../client/create-client.ts";
import { targetFromFile } from "../client/kubeconfig.ts";
import { type ClusterAccess, httpsTransport } from "../client/transport/https.ts";
import {
  BOOTSTRAP_TOKEN,
  expiresAt,
  parseBootstrapToken,
  TOKEN_NAMESPACE,
  TOKEN_PREFIX,
} from "../objects/bootstrap-token.ts";
import { humanDuration } from "../objects/duration.ts";
import type { Secret } from "../objects/kinds.ts";
import { ApiError } from "../objects/status.ts";
import { type Clock, wireTime } from "../process/clock.ts";
import { UsageError } from "../process/flags.ts";
import { homePaths } from "../process/home.ts";
import { JOINERS, SERVER_JOINERS } from "./cluster-facts.ts";
import { offerServerKeys } from "./server-keys.ts";
import { authorityHash, formatJoinToken } from "./token.ts";

const USAGE = `Usage: k8ts token COMMAND [flags]

Tokens by which machines join this cluster. Run it on a server, or where KUBECONFIG is an administrator's.

  create         make a token, and print the command that joins a machine with it
  list           show the tokens that there are
  delete ID...   end tokens; machines that have joined stay

Flags of create:
  --ttl DURATION       how long the token is good, like 24h, 90m, 7d; 0 for ever (default 24h)
  --description TEXT   what it is for
  --server URL         the server's address in the printed command (default: one that the cluster tells)
  --servers            a token by which another server joins; run it on a server
  --print token        print the token alone
`;

export interface TokenCommandContext {
  readonly home: string;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly print: (text: string) => void;
}

interface Wish {
  readonly ttl: string;
  readonly description: string;
  readonly server: string | undefined;
  readonly servers: boolean;
  readonly print: string;
}

/** Resolves with the exit code; rejects with a UsageError or the server's own error. */
export async function tokenCommand(argv: readonly string[], context: TokenCommandContext): Promise<number> {
  const { values, positionals } = read(argv);
  const [command, ...ids] = positionals;
  if (values.help || command === undefined) {
    context.print(USAGE);
    return values.help ? 0 : 2;
  }
  const work = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (!work) throw new UsageError(`there is no 'k8ts token ${command}'`);
  const access = await administrator(context);
  const transport = httpsTransport({ access, clock: context.clock });
  try {
    await work({ client: createClient(transport), access, wish: values as Wish, ids, ...context });
  } finally {
    await transport.close();
  }
  return 0;
}

function read(argv: readonly string[]) {
  const options = {
    ttl: { type: "string", default: "24h" },
    description: { type: "string", default: "" },
    server: { type: "string" },
    servers: { type: "boolean", default: false },
    print: { type: "string", default: "command" },
    help: { type: "boolean", short: "h" },
  } as const;
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

interface Work extends TokenCommandContext {
  readonly client: Client;
  readonly access: ClusterAccess;
  readonly wish: Wish;
  readonly ids: readonly string[];
}

const COMMANDS: Readonly<Record<string, (work: Work) => Promise<void>>> = { create, list, delete: remove };

async function administrator({ home, env }: TokenCommandContext): Promise<ClusterAccess> {
  const file = env["KUBECONFIG"] || homePaths(home).adminKubeconfig;
  if (!existsSync(file))
    throw new UsageError(
      `there is no ${file}: run this on a server of the cluster, as who started it, or set KUBECONFIG`,
    );
  return (await targetFromFile(file)).access;
}

async function create({ client, access, clock, wish, print, home }: Work): Promise<void> {
  if (!["command", "token"].includes(wish.print)) throw new UsageError("--print is token or command");
  if (access.ca === undefined)
    throw new UsageError("the kubeconfig names no authority, so no token can be made from it");
  const ttl = milliseconds(wish.ttl);
  const [id, secret] = [randomText(clock, 6), randomText(clock, 16)];
  const fields: Record<string, string> = {
    "token-id": id,
    "token-secret": secret,
    ...(ttl > 0 ? { expiration: wireTime(clock.now() + ttl) } : {}),
    ...(wish.description ? { description: wish.description } : {}),
    "usage-bootstrap-authentication": "true",
    "usage-bootstrap-signing": "true",
    "auth-extra-groups": wish.servers ? `${JOINERS},${SERVER_JOINERS}` : JOINERS,
  };
  const data = Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, Buffer.from(value).toString("base64")]),
  );
  await client.create("secrets", {
    metadata: { namespace: TOKEN_NAMESPACE, name: TOKEN_PREFIX + id },
    type: BOOTSTRAP_TOKEN,
    data,
  });
  const serverKey = wish.servers ? await offerServerKeys(client, homePaths(home), id, clock) : undefined;
  const token = formatJoinToken({ authorityHash: authorityHash(access.ca), id, secret, serverKey });
  if (wish.print === "token") return print(`${token}\n`);
  const server = wish.server ?? (await reachable(client)) ?? access.server;
  const own = wish.servers ? "server --store etcd --etcd-servers URL" : "agent";
  print(`k8ts ${own} --server ${server} --token ${token}\n`);
}

/** Where other machines reach a server. */
async function reachable(client: Client): Promise<string | undefined> {
  const endpoints = await client.find("endpoints", { namespace: "default", name: "kubernetes" });
  const [subset] = endpoints?.subsets ?? [];
  const [address] = subset?.addresses ?? [];
  const [port] = subset?.ports ?? [];
  if (!address || !port) return undefined;
  return `https://${address.ip.includes(":") ? `[${address.ip}]` : address.ip}:${port.port}`;
}

async function list({ client, clock, print }: Work): Promise<void> {
  const fieldSelector = `type=${BOOTSTRAP_TOKEN}`;
  const { items } = await client.list("secrets", { namespace: TOKEN_NAMESPACE, fieldSelector });
  const rows = items.map((secret) => [
    secret.metadata.name.slice(TOKEN_PREFIX.length),
    ttlText(secret, clock.now()),
    wordsOf(secret, "expiration") || "<never>",
    ["authentication", "signing"].filter((use) => wordsOf(secret, `usage-bootstrap-${use}`) === "true").join(","),
    wordsOf(secret, "description") || "<none>",
    wordsOf(secret, "auth-extra-groups") || "<none>",
  ]);
  const all = [["ID", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS"], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of all)
    print(
      `${row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join("   ")
        .trimEnd()}\n`,
    );
}

function ttlText(secret: Secret, now: number): string {
  const ends = expiresAt(secret);
  if (ends === undefined) return "<forever>";
  return ends <= now ? "<expired>" : humanDuration(ends - now);
}

async function remove({ client, ids, print }: Work): Promise<void> {
  if (ids.length === 0) throw new UsageError("which tokens? 'k8ts token list' shows their ids");
  for (const one of ids) {
    const id = parseBootstrapToken(one.split("::")[1] ?? one)?.id ?? one;
    if (!/^[a-z0-9]{6}$/.test(id)) throw new UsageError(`${JSON.stringify(id)} is no token's id: 6 letters and digits`);
    try {
      await client.delete("secrets", { namespace: TOKEN_NAMESPACE, name: TOKEN_PREFIX + id });
    } catch (error) {
      if (error instanceof ApiError && error.reason === "NotFound") throw new UsageError(`there is no token ${id}`);
      throw error;
    }
    print(`token ${id} deleted\n`);
  }
}

const wordsOf = ({ data }: Secret, key: string): string => Buffer.from(data?.[key] ?? "", "base64").toString("utf8");

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "1h30m" in ms. */
export function milliseconds(text: string): number {
  if (/^0[smhd]?$/.test(text)) return 0;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)([smhd])/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join("") !== text)
    throw new UsageError(`--ttl takes a duration like 24h, 90m or 7d, not ${JSON.stringify(text)}`);
  return parts.reduce((sum, [, number, unit = ""]) => sum + Number(number) * (UNITS[unit] ?? 0), 0);
}

const CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789";

/** Each character equally likely: bytes that would favour the first ones are thrown away. */
function randomText(clock: Pick<Clock, "bytes">, length: number): string {
  let text = "";
  while (text.length < length)
    for (const byte of clock.bytes(length))
      if (byte < CHARACTERS.length * 7 && text.length < length) text += CHARACTERS[byte % CHARACTERS.length];
  return text;
}
