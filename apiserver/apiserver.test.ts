/** The API server as a process sees it: TLS, identities, limits, a unix socket, shutdown, real kubectl. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { connect as connectTcp, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { endsOf, realKubectls } from "../e2e/harness/kubectls.ts";
import { createClient } from "../machinery/client/create-client.ts";
import { unixTransport } from "../machinery/client/transport/unix.ts";
import { issue } from "../machinery/pki/certificates.ts";
import { clientOf } from "../machinery/pki/kubeconfig.ts";
import { systemClock } from "../machinery/process/clock.ts";
import { parseFlags } from "../machinery/process/flags.ts";
import { homePaths } from "../machinery/process/home.ts";
import { limits } from "../machinery/process/limits.ts";
import { silent } from "../machinery/process/logging.ts";
import { type ApiserverFlags, apiserverFlags, type RunningApiserver, startApiserver } from "./apiserver.ts";

const flagsOf = (more: Partial<ApiserverFlags> = {}): ApiserverFlags => ({
  ...parseFlags(apiserverFlags, []),
  listen: "127.0.0.1",
  port: 0,
  "advertise-address": "192.0.2.1",
  store: "memory",
  "node-name": "one",
  ...more,
});

let home: string;
let server: RunningApiserver;
let ca: string;
const start = (more?: Partial<ApiserverFlags>) =>
  startApiserver(flagsOf(more), { clock: systemClock, log: silent, home });

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "apiserver-"));
  server = await start({ "unix-socket": join(home, "s") });
  ca = server.pki.authority.certificate;
});
afterAll(async () => {
  await server.close();
  await rm(home, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
}

async function identity(component?: string): Promise<RequestOptions> {
  const paths = homePaths(home);
  const path = component ? paths.kubeconfig(component) : paths.adminKubeconfig;
  const client = clientOf(await readFile(path, "utf8"));
  return { cert: client?.certificate, key: client?.key };
}

function send(options: RequestOptions, body?: string | Buffer | Iterable<Buffer>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest({ host: "127.0.0.1", port: server.port, ca, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString("latin1"),
        }),
      );
    });
    request.on("error", reject);
    if (typeof body === "string" || body === undefined || Buffer.isBuffer(body)) request.end(body);
    else {
      for (const chunk of body) request.write(chunk);
      request.end();
    }
  });
}

describe("identities", () => {
  const whoami = async (options: RequestOptions) => {
    const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    const headers = { "content-type": "application/json" };
    const { status, text } = await send({ path, method: "POST", headers, ...options }, "{}");
    const value = JSON.parse(text);
    return status === 201 ? value.status.userInfo : value.message;
  };

  test("are the certificate's name and organizations", async () => {
    expect(await whoami(await identity())).toEqual({
      username: "kubernetes-admin",
      groups: ["system:masters", "system:authenticated"],
    });
    expect(await whoami(await identity("kubelet"))).toEqual({
      username: "system:node:one",
      groups: ["system:nodes", "system:authenticated"],
    });
  });

  test("stay when a TLS session is resumed", async () => {
    const agent = new Agent({ keepAlive: false, maxCachedSessions: 10 });
    const options = { ...(await identity("scheduler")), agent };
    for (let count = 0; count < 3; count++)
      expect(await whoami(options)).toMatchObject({ username: "system:kube-scheduler" });
    agent.destroy();
  });

  test("without a certificate are anonymous", async () => {
    expect((await send({ path: "/version" })).status).toBe(200);
    expect(await whoami({})).toContain('User "system:anonymous" cannot create');
  });

  test("by a certificate of another authority are 401", async () => {
    const other = await mkdtemp(join(tmpdir(), "other-"));
    const stranger = await startApiserver(flagsOf(), { clock: systemClock, log: silent, home: other });
    const client = clientOf(await readFile(homePaths(other).adminKubeconfig, "utf8"));
    expect(await whoami({ cert: client?.certificate, key: client?.key })).toBe("Unauthorized");
    await stranger.close();
    await rm(other, { recursive: true });
  });

  describe("by a certificate that", () => {
    const clockAt = (days: number) => ({ ...systemClock, now: () => systemClock.now() + days * 86_400_000 });
    const admin = { commonName: "kubernetes-admin", organizations: ["system:masters"], use: "client" } as const;
    const made = async (days: number, change: object = {}) => {
      const { certificate, key } = await issue(clockAt(days), server.pki.authority, { ...admin, ...change });
      return whoami({ cert: certificate, key });
    };
    test("is good are its name", async () => {
      expect(await made(0)).toMatchObject({ username: "kubernetes-admin" });
    });
    test.each([
      ["has ended", -366, {}],
      ["has not begun", 2, {}],
      ["is a server's", 0, { use: "server" }],
      ["names nobody", 0, { commonName: "" }],
    ])("%s are 401", async (_what, days, change) => {
      expect(await made(days, change)).toBe("Unauthorized");
    });
  });

  test("end with the certificate, also on a connection that lives on", async () => {
    let ahead = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + ahead };
    const one = await startApiserver(flagsOf(), { clock, log: silent, home });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const options = { ...(await identity()), agent, port: one.port };
    expect(await whoami(options)).toMatchObject({ username: "kubernetes-admin" });
    ahead = 366 * 86_400_000;
    expect(await whoami(options)).toBe("Unauthorized");
    agent.destroy();
    await one.close();
  });

  test("that are impersonated keep their commas", async () => {
    const headers = {
      "content-type": "application/json",
      "impersonate-user": "bob",
      "impersonate-group": ["devs", "ops, all"],
      "impersonate-extra-scopes": ["a,b", "c"],
    };
    expect(await whoami({ ...(await identity()), headers })).toEqual({
      username: "bob",
      groups: ["devs", "ops, all", "system:authenticated"],
      extra: { scopes: ["a,b", "c"] },
    });
  });
});

describe("bodies", () => {
  const path = "/api/v1/namespaces/default/configmaps";
  const json = { "content-type": "application/json" };

  test("that are too large are 413, whether they say so or not", async () => {
    const options = { path, method: "POST", ...(await identity()) };
    const large = Buffer.alloc(limits.requestBodyBytes + 1, 0x20);
    const told = await send({ ...options, headers: { ...json, "content-length": large.length } }, large);
    expect([told.status, JSON.parse(told.text).reason]).toEqual([413, "RequestEntityTooLarge"]);
    const half = Buffer.alloc(limits.requestBodyBytes / 2 + 1, 0x20);
    const chunked = await send({ ...options, headers: { ...json, "transfer-encoding": "chunked" } }, [half, half]);
    expect(chunked.status).toBe(413);
  });

  test("that are nothing HTTP knows end with 400", async () => {
    const answer = await new Promise<string>((resolve) => {
      const socket = connectTcp(server.port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\n\r\n"));
      socket.on("data", (data) => resolve(data.toString()));
      socket.on("close", () => resolve("closed"));
      socket.on("error", () => resolve("closed"));
    });
    expect(answer).toBe("closed");
  });
});

describe("answers", () => {
  test("that are large are compressed for those who take it", async () => {
    const options = await identity();
    const data = { blob: "x".repeat(200_000) };
    const body = JSON.stringify({ metadata: { name: "large" }, data });
    const path = "/api/v1/namespaces/default/configmaps";
    await send({ ...options, path, method: "POST", headers: { "content-type": "application/json" } }, body);
    const packed = await send({ ...options, path, headers: { "accept-encoding": "gzip" } });
    expect(packed.headers["content-encoding"]).toBe("gzip");
    expect(packed.text.length).toBeLessThan(20_000);
    const plain = await send({ ...options, path });
    expect(JSON.parse(plain.text).items).toEqual([expect.objectContaining({ data })]);
  });

  test("to HEAD have no body", async () => {
    const { status, text } = await send({ ...(await identity()), path: "/api/v1/namespaces", method: "HEAD" });
    expect([status, text]).toEqual([200, ""]);
  });

  test("to an upgrade that is refused are plain HTTP", async () => {
    const headers = { connection: "Upgrade", upgrade: "websocket" };
    const { status, text } = await send({ ...(await identity()), path: "/k8ts/v1/tunnel", headers });
    expect([status, JSON.parse(text).reason]).toEqual([403, "Forbidden"]);
  });

  test("to an offer of h2c ignore it", async () => {
    const headers = { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "" };
    expect((await send({ ...(await identity()), path: "/version", headers })).status).toBe(200);
  });
});

test("a unix socket is for whoever may open it", async () => {
  const socketPath = join(home, "s");
  expect((await stat(socketPath)).mode & 0o777).toBe(0o600);
  const transport = unixTransport({ socketPath });
  expect((await createClient(transport).list("namespaces")).items).toHaveLength(4);
  await transport.close();
  const status = await new Promise((resolve) =>
    httpRequest({ socketPath, path: "/api", headers: { authorization: "Bearer x" } }, (response) =>
      resolve(response.statusCode),
    ).end(),
  );
  expect(status).toBe(401);
});

test("a port that is taken is told with what to do", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port } = taken.address() as { port: number };
  await expect(start({ port })).rejects.toThrow(
    `port ${port} is already in use: stop what listens on 127.0.0.1:${port}, or choose another port with --port`,
  );
  taken.close();
});

test.each([
  [{ store: "cloud" }, /--store is one of/],
  [{ "service-cidr": "10.43.0.0" }, /--service-cidr/],
  [{ "node-port-range": "9-1" }, /--node-port-range/],
])("a flag that is wrong is named: %j", async (flags, message) => {
  await expect(start(flags)).rejects.toThrow(message);
});

test("closing ends watches at once and frees the port", async () => {
  const one = await start();
  const watching = new Promise<string>((resolve, reject) => {
    const open = async () => {
      const options = { host: "127.0.0.1", port: one.port, ca, ...(await identity()) };
      httpsRequest({ ...options, path: "/api/v1/namespaces?watch=true" }, (response) => {
        let seen = "";
        response.on("data", (chunk: Buffer) => {
          seen += chunk.toString();
          if (seen.includes("kube-system")) resolve(seen);
        });
        response.on("end", () => reject(new Error(`ended after ${seen}`)));
      }).end();
    };
    open().catch(reject);
  });
  expect(await watching).toContain('"type":"ADDED"');
  const before = systemClock.monotonic();
  await one.close();
  expect(systemClock.monotonic() - before).toBeLessThan(limits.drainMs / 2);
  const again = await start({ port: one.port });
  await again.close();
});

test("the embedded store brings everything back", async () => {
  const flags = { store: "embedded", "data-dir": join(home, "data") } as const;
  const first = await start(flags);
  const options = { ...(await identity()), port: first.port };
  const headers = { "content-type": "application/json" };
  await send({ ...options, path: "/api/v1/namespaces", method: "POST", headers }, '{"metadata":{"name":"kept"}}');
  await first.close();
  const second = await start(flags);
  const { status } = await send({ ...options, port: second.port, path: "/api/v1/namespaces/kept" });
  expect(status).toBe(200);
  await second.close();
});

describe.each(endsOf(realKubectls()).map(({ version, command }) => ({ version, command })))(
  "kubectl $version",
  ({ version, command }) => {
    const run = promisify(execFile);
    const name = `k${version.replace(/\D/g, "")}`;
    const kubectl = async (...args: string[]) => {
      const [file = "", ...first] = command;
      const target = ["--server", `https://127.0.0.1:${server.port}`];
      const { stdout } = await run(file, [...first, ...target, ...args], {
        env: { ...process.env, KUBECONFIG: homePaths(home).adminKubeconfig },
      });
      return stdout;
    };

    test("creates typed objects, which it sends as protobuf", async () => {
      expect(await kubectl("create", "namespace", name)).toContain("created");
      expect(await kubectl("-n", name, "create", "serviceaccount", "default")).toContain("created");
      await kubectl("-n", name, "create", "configmap", "cm", "--from-literal=a=b");
      expect(await kubectl("-n", name, "get", "cm", "cm", "-o", "jsonpath={.data.a}")).toBe("b");
      await kubectl("-n", name, "create", "secret", "generic", "s", "--from-literal=a=b");
      expect(await kubectl("-n", name, "get", "secret", "s", "-o", "jsonpath={.data.a} {.type}")).toBe("Yg== Opaque");
      await kubectl("-n", name, "create", "deployment", "web", "--image=i:1", "--port=80", "--replicas=0");
      const shown = "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].ports[0].containerPort}";
      expect(await kubectl("-n", name, "get", "deployment", "web", "-o", shown)).toBe("0 80");
      await kubectl("-n", name, "create", "role", "r", "--verb=get", "--resource=pods");
      expect(await kubectl("-n", name, "auth", "can-i", "get", "pods")).toBe("yes\n");
    });

    test("gets tokens that the server takes", async () => {
      const token = (await kubectl("-n", name, "create", "token", "default")).trim();
      const user = ["--kubeconfig=/dev/null", "--insecure-skip-tls-verify", `--token=${token}`];
      const who = kubectl(...user, "-n", name, "get", "pods");
      await expect(who).rejects.toThrow(`User "system:serviceaccount:${name}:default" cannot list resource "pods"`);
    });

    test("gets, patches, waits and deletes", async () => {
      expect(await kubectl("-n", name, "get", "deployments")).toContain("UP-TO-DATE");
      await kubectl("-n", name, "scale", "deployment", "web", "--replicas=2");
      await kubectl("-n", name, "label", "deployment", "web", "a=b");
      const shown = "jsonpath={.spec.replicas} {.metadata.labels.a} {.metadata.generation}";
      expect(await kubectl("-n", name, "get", "deployment", "web", "-o", shown)).toBe("2 b 2");
      expect(await kubectl("-n", name, "delete", "deployment", "web")).toContain("deleted");
      expect(await kubectl("-n", name, "run", "p", "--image=i:1")).toContain("created");
      expect(await kubectl("-n", name, "describe", "pod", "p")).toContain("kube-api-access-");
      expect(await kubectl("-n", name, "delete", "pod", "p", "--wait", "--timeout=10s")).toContain("deleted");
    });
  },
);
