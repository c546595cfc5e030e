/**
 * What real kubectl makes of the OpenAPI documents, in the oldest and the newest version at hand.
 *
 * The server here has discovery and OpenAPI, takes every object and keeps none. Skipped without kubectl.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { endsOf, realKubectls } from "../../e2e/harness/kubectls.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { aggregatedDiscovery, apiGroupList, apiResourceList, apiVersions } from "../resources/discovery.ts";
import { builtinResources } from "../resources/table.ts";
import { loadSchema } from "./load.ts";
import { createOpenApi, type OpenApi } from "./openapi.ts";
import { answerOpenApi } from "./openapi-handler.ts";
import { deployment } from "./samples.cases.ts";

let openApi: OpenApi;

beforeAll(async () => {
  const schema = await loadSchema();
  openApi = createOpenApi({ schema, rows: () => builtinResources, version: "v1.36.0", clock: systemClock });
});

const kubectls = endsOf(realKubectls());

describe.skipIf(kubectls.length === 0).each(kubectls)("kubectl $version", ({ command }) => {
  let server: Server;
  let home: string;
  const writes: string[] = [];

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), "openapi-kubectl-"));
    server = createServer((request, response) => {
      answerRequest(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterAll(async () => {
    await new Promise((resolve) => server.close(resolve));
    rmSync(home, { recursive: true, force: true });
  });

  /** Discovery, OpenAPI, and a store that takes everything and has nothing. */
  async function answerRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://localhost");
    if (url.pathname.startsWith("/openapi")) {
      const headers = Object.fromEntries(Object.entries(request.headers).map(([key, value]) => [key, String(value)]));
      const answer = (await answerOpenApi(openApi, { path: url.pathname, query: url.searchParams, headers }))!;
      response.writeHead(answer.status, answer.headers as Record<string, string>);
      response.end(answer.body.kind === "bytes" ? answer.body.bytes : undefined);
      return;
    }
    const found = discovery(url.pathname, request.headers.accept ?? "");
    if (found) return void response.writeHead(200, { "content-type": found.type }).end(JSON.stringify(found.value));
    if (request.method === "GET") {
      const status = {
        kind: "Status",
        apiVersion: "v1",
        status: "Failure",
        reason: "NotFound",
        code: 404,
        message: "not found",
      };
      return void response.writeHead(404, { "content-type": "application/json" }).end(JSON.stringify(status));
    }
    writes.push(`${request.method} ${request.url}`);
    response.writeHead(201, { "content-type": "application/json" });
    request.pipe(response);
  }

  function discovery(path: string, accept: string): { type: string; value: unknown } | undefined {
    const aggregated = accept.includes("apidiscovery.k8s.io;v=v2,") || accept.includes("g=apidiscovery.k8s.io;v=v2;");
    const json = (value: unknown) => (value === undefined ? undefined : { type: "application/json", value });
    if ((path === "/api" || path === "/apis") && aggregated) {
      const value = aggregatedDiscovery(builtinResources, path === "/api" ? "core" : "groups");
      return { type: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", value };
    }
    if (path === "/api") return json(apiVersions(builtinResources, "127.0.0.1"));
    if (path === "/apis") return json(apiGroupList(builtinResources));
    const [, core, group, version] = /^\/(?:api\/(v1)|apis\/([^/]+)\/([^/]+))$/.exec(path) ?? [];
    if (core) return json(apiResourceList(builtinResources, "", core));
    return group && version ? json(apiResourceList(builtinResources, group, version)) : undefined;
  }

  function run(...args: string[]): Promise<{ code: number; output: string }> {
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const env = { PATH: process.env["PATH"], HOME: home, KUBECONFIG: "/dev/null" };
    return new Promise((resolve) => {
      execFile(command[0]!, ["--server", address, ...args], { env }, (error, stdout, stderr) => {
        resolve({ code: error ? 1 : 0, output: stdout + stderr });
      });
    });
  }

  function file(name: string, object: unknown): string {
    writeFileSync(join(home, name), JSON.stringify(object));
    return join(home, name);
  }

  test("explains a Pod's containers", async () => {
    const { code, output } = await run("explain", "pod.spec.containers", "--recursive");
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(output).toMatch(/KIND:\s+Pod/);
    for (const line of [
      /imagePullPolicy\s+<string>/,
      /livenessProbe\s+<(Probe|Object)>/,
      /containerPort\s+<integer>/,
    ]) {
      expect(output).toMatch(line);
    }
  });

  test.each(["deployment.spec.strategy", "service.spec.ports", "crontab", "events", "ingress.spec"])(
    "explains %s, or says that it cannot",
    async (what) => {
      const { code, output } = await run("explain", what);
      if (what === "crontab") expect(output).toContain('the server doesn\'t have a resource type "crontab"');
      else
        expect({ code, output }).toMatchObject({
          code: 0,
          output: expect.stringMatching(/DESCRIPTION:\n\s+\w/) as string,
        });
    },
  );

  test("explains from the protobuf of version 2, too", async () => {
    const { code, output } = await run("explain", "pod.spec.containers.ports", "--output=plaintext-openapiv2");
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(output).toMatch(/RESOURCE:\s+ports <\[\]Object>/);
    expect(output).toMatch(/containerPort\s+<integer> -required-/);
  });

  test("explains a kind of another group by its version", async () => {
    const { output } = await run("explain", "events.regarding", "--api-version=events.k8s.io/v1");
    expect(output).toMatch(/FIELD:\s+regarding\s+<ObjectReference>/);
  });

  test("explains a field with its enum", async () => {
    const { output } = await run("explain", "pod.spec.restartPolicy");
    expect(output).toMatch(/FIELD:\s+restartPolicy <string>/);
  });

  test("leaves the validation of an applied object to the server", async () => {
    const { code, output } = await run("apply", "-f", file("deployment.json", deployment), "--validate=strict");
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(writes.at(-1)).toMatch(/^POST .*\/deployments\?.*fieldValidation=Strict/);
  });

  test("finds nothing wrong with the samples", async () => {
    const { code, output } = await run(
      "create",
      "--dry-run=client",
      "--validate=true",
      "-f",
      file("good.json", deployment),
    );
    expect({ code, output }).toMatchObject({ code: 0 });
  });
});
