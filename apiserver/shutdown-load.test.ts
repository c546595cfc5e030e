/** A server process that is told to stop while clients write on kept connections: what it took, it answers. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { targetFromFile } from "../machinery/client/kubeconfig.ts";
import { systemClock } from "../machinery/process/clock.ts";
import { homePaths } from "../machinery/process/home.ts";

const MAIN = join(import.meta.dirname, "../main.ts");
const home = mkdtempSync(join(tmpdir(), "k8ts-stop-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const MAPS = "/api/v1/namespaces/default/configmaps";
const CLIENTS = 24;

interface Started {
  ask(method: string, path: string, body?: unknown): Promise<IncomingMessage>;
  /** What it wrote to standard output so far. */
  printed(): string;
  /** Tells it to stop; resolves with its exit code. */
  stop(): Promise<number | null>;
}

async function start(): Promise<Started> {
  const policy = join(home, "policy.yaml");
  writeFileSync(
    policy,
    "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]",
  );
  const flags = ["--port", "0", "--listen", "127.0.0.1", "--audit-policy-file", policy, "--audit-log-path", "-"];
  const child = spawn(process.execPath, [MAIN, "server", "--no-agent", ...flags], {
    env: { ...process.env, K8TS_HOME: home },
  });
  let [printed, said] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  while (!/serving/.test(said + printed) && child.exitCode === null) await systemClock.sleep(50);
  const { access } = await targetFromFile(homePaths(home).adminKubeconfig);
  const { port } = new URL(access.server);
  const agent = new Agent({ keepAlive: true, ca: access.ca, cert: access.cert, key: access.key });
  return {
    printed: () => printed,
    ask: (method, path, body) =>
      new Promise((resolve, reject) => {
        const headers = body === undefined ? {} : { "content-type": "application/json" };
        const request = httpsRequest({ host: "127.0.0.1", port, method, path, headers, agent }, resolve);
        request.on("error", reject);
        request.end(body === undefined ? undefined : JSON.stringify(body));
      }),
    async stop() {
      const ended = once(child, "close");
      child.kill("SIGTERM");
      const [code] = (await ended) as [number | null];
      agent.destroy();
      return code;
    },
  };
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return text;
}

test("every write that is stored was answered, refusals say to come back, and watches end", async () => {
  const server = await start();
  const answers = new Map<number, number>();
  const created = new Set<string>();
  let [cut, broken, stopped] = [0, 0, false];
  const client = async (id: number) => {
    for (let index = 0; !stopped; index++) {
      const name = `map-${id}-${index}`;
      const response = await server.ask("POST", MAPS, { metadata: { name } }).catch(() => undefined);
      if (!response) {
        cut++; // it had not been read
        await systemClock.sleep(5);
        continue;
      }
      const status = response.statusCode ?? 0;
      answers.set(status, (answers.get(status) ?? 0) + 1);
      if (status === 201) created.add(name);
      await textOf(response).catch(() => broken++); // an answer that had begun
    }
  };
  const watch = await server.ask("GET", `${MAPS}?watch=true`);
  const watching = textOf(watch).then(() => "ended");
  const clients = Array.from({ length: CLIENTS }, (_, id) => client(id));
  await expect.poll(() => created.size, { timeout: 30_000 }).toBeGreaterThan(100);
  const code = await server.stop();
  stopped = true;
  await Promise.all(clients);
  expect(code).toBe(0);
  expect(await watching).toBe("ended");
  expect(broken).toBe(0);
  expect([...answers.keys()].filter((status) => status !== 201 && status !== 503)).toEqual([]);
  expect(cut).toBeGreaterThan(0);

  const logged = server
    .printed()
    .split("\n")
    .filter((line) => line.startsWith('{"kind":"Event"'));
  const told = logged
    .map((line) => JSON.parse(line))
    .filter(({ verb, responseStatus }) => verb === "create" && responseStatus.code === 201);
  expect(new Set(told.map(({ objectRef }) => objectRef.name)).size).toBeGreaterThanOrEqual(created.size);

  const again = await start();
  const { items } = JSON.parse(await textOf(await again.ask("GET", MAPS)));
  const stored = items
    .map(({ metadata }: { metadata: { name: string } }) => metadata.name)
    .filter((name: string) => name.startsWith("map-"));
  expect(new Set(stored)).toEqual(created);
  await again.stop();
}, 60_000);
