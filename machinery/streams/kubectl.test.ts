/** Real kubectl, oldest and newest at hand, against our end of exec and port-forward. Skipped where there is none. */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Duplex } from "node:stream";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { endsOf, realKubectls } from "../../e2e/harness/kubectls.ts";
import { systemClock } from "../process/clock.ts";
import { acceptExec, acceptPortForward } from "./accept.ts";

const pod = {
  kind: "Pod",
  apiVersion: "v1",
  metadata: { name: "web", namespace: "default" },
  spec: { containers: [{ name: "c", image: "x" }] },
  status: { phase: "Running" },
};

const verbs = ["get", "list", "create"];
const answers: Readonly<Record<string, unknown>> = {
  "/api": { kind: "APIVersions", versions: ["v1"] },
  "/apis": { kind: "APIGroupList", apiVersion: "v1", groups: [] },
  "/api/v1": {
    kind: "APIResourceList",
    groupVersion: "v1",
    resources: [{ name: "pods", singularName: "pod", namespaced: true, kind: "Pod", verbs, shortNames: ["po"] }],
  },
  "/api/v1/namespaces/default/pods/web": pod,
};

/** Upgrades that were asked for, to know which framing a kubectl chose. */
const upgrades: string[] = [];
let server: Server;
let echo: Server;

/** The API server's paths for one Pod, with commands that a shell would run. */
async function onExec(query: URLSearchParams, request: never, socket: Duplex, head: Buffer): Promise<void> {
  const has = (name: string) => query.get(name) === "true";
  const options = { stdin: has("stdin"), stdout: has("stdout"), stderr: has("stderr"), tty: has("tty") };
  const session = await acceptExec(request, socket, head, options, { clock: systemClock });
  const [command, code] = query.getAll("command");
  if (command === "echo") {
    session.stdout!.write("to stdout\n");
    session.stderr!.write("to stderr\n");
  }
  if (command === "big") session.stdout!.write(Buffer.alloc(3_000_000, "x"));
  if (command === "cat") {
    for await (const chunk of session.stdin!) session.stdout!.write(chunk);
  }
  if (command === "missing") return session.finish({ kind: "failed", message: "no such command" });
  await session.finish({ kind: "exited", code: Number(code ?? 0) });
}

beforeAll(async () => {
  server = createServer((request, response) => {
    const answer = answers[new URL(request.url!, "http://x").pathname];
    response.writeHead(answer ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? { kind: "Status", status: "Failure", code: 404, reason: "NotFound" }));
  });
  server.on("upgrade", (request, socket, head) => {
    const url = new URL(request.url!, "http://x");
    upgrades.push(`${request.headers.upgrade} ${request.headers["sec-websocket-protocol"] ?? ""}`.trim());
    if (url.pathname.endsWith("/exec")) void onExec(url.searchParams, request as never, socket, head);
    else {
      void acceptPortForward(request, socket, head, { clock: systemClock }).then((session) =>
        session.onConnection(({ port, data, fail }) => {
          if (port !== 80) return fail(`nobody listens on ${port}`);
          const target = connect((echo.address() as AddressInfo).port, "127.0.0.1");
          data.pipe(target).pipe(data);
          data.on("error", () => target.destroy());
          target.on("error", () => data.destroy());
        }),
      );
    }
  });
  echo = createServer((request, response) => response.end(`you asked ${request.url}`));
  for (const one of [server, echo]) await new Promise<void>((resolve) => one.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  for (const one of [server, echo]) {
    one.closeAllConnections();
    one.close();
  }
});

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill();
  upgrades.length = 0;
});

function start(binary: string, args: readonly string[]): ChildProcess {
  const { port } = server.address() as AddressInfo;
  const child = spawn(binary, [`--server=http://127.0.0.1:${port}`, "--kubeconfig=/dev/null", ...args]);
  children.push(child);
  return child;
}

async function run(binary: string, args: readonly string[], input?: string) {
  const child = start(binary, args);
  child.stdin!.end(input ?? "");
  const read = async (stream: NodeJS.ReadableStream) => {
    let text = "";
    for await (const chunk of stream) text += String(chunk);
    return text;
  };
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr] = await Promise.all([read(child.stdout!), read(child.stderr!)]);
  return { stdout, stderr, code: await code };
}

const kubectls = endsOf(realKubectls());

for (const { version, command } of kubectls) {
  const [binary = ""] = command;
  describe(`kubectl ${version}`, () => {
    const webSocket = Number(version.split(".")[1]) >= 31;

    test("exec brings both outputs and the exit code", async () => {
      const { stdout, stderr, code } = await run(binary, ["exec", "web", "--", "echo", "3"]);
      expect(stdout).toBe("to stdout\n");
      expect(stderr).toContain("to stderr\n");
      expect(stderr).toContain("command terminated with exit code 3");
      expect(code).toBe(3);
      expect(upgrades[0]).toMatch(webSocket ? /^websocket v5/ : /^SPDY\/3.1$/);
    });

    test("exec -i passes input and its end", async () => {
      const { stdout, code } = await run(binary, ["exec", "-i", "web", "--", "cat"], "typed in");
      expect([stdout, code]).toEqual(["typed in", 0]);
    });

    test("exec brings megabytes whole", async () => {
      const { stdout, code } = await run(binary, ["exec", "web", "--", "big"]);
      expect([stdout.length, code]).toEqual([3_000_000, 0]);
    });

    test("exec of a command that cannot run tells why", async () => {
      const { stderr, code } = await run(binary, ["exec", "web", "--", "missing"]);
      expect(stderr).toContain("no such command");
      expect(code).toBe(1);
    });

    test("port-forward carries several connections", async () => {
      const child = start(binary, ["port-forward", "pod/web", ":80"]);
      const line = await new Promise<string>((resolve) => child.stdout!.once("data", (data) => resolve(String(data))));
      const port = /127\.0\.0\.1:(\d+)/.exec(line)![1];
      const answers = await Promise.all(
        ["/a", "/b", "/c"].map(async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).text()),
      );
      expect(answers).toEqual(["you asked /a", "you asked /b", "you asked /c"]);
      expect(upgrades[0]).toMatch(webSocket ? /^websocket SPDY\/3.1\+portforward.k8s.io/ : /^SPDY\/3.1$/);
    });

    test("port-forward to a port where nobody listens tells why", async () => {
      const child = start(binary, ["port-forward", "pod/web", ":81"]);
      let errors = "";
      child.stderr!.on("data", (data) => {
        errors += String(data);
      });
      const line = await new Promise<string>((resolve) => child.stdout!.once("data", (data) => resolve(String(data))));
      const port = /127\.0\.0\.1:(\d+)/.exec(line)![1];
      await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
      await systemClock.sleep(100);
      expect(errors).toContain("nobody listens on 81");
    });
  });
}

test.skipIf(kubectls.length > 0)("no kubectl at hand: nothing to compare with", () => {});
