/** Bad input over real https: refused in clear words with the right code, nothing lost, and the server lives on. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { homePaths } from "../machinery/process/home.ts";
import { type Cluster, canRunContainers, eventually, freePort, startCluster } from "./harness/cluster.ts";
import { createEtcd, hasEtcd } from "./harness/etcd.ts";
import { type Ask, type Asked, asker } from "./harness/https.ts";
import { ours } from "./harness/kubectls.ts";
import { type Running, start } from "./harness/running.ts";

const MAPS = "/api/v1/namespaces/default/configmaps";
const DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments";
const PODS = "/api/v1/namespaces/default/pods";
const JSON_PATCH = { "content-type": "application/json-patch+json" };
const YAML = { "content-type": "application/yaml" };

const map = (metadata: object, more: object = {}) => ({ apiVersion: "v1", kind: "ConfigMap", metadata, ...more });

/** `container` and `spec` replace fields of an otherwise good Deployment. */
function deployment(spec: object, container: object = { image: "busybox:1.36" }): object {
  const template = { metadata: { labels: { app: "bad" } }, spec: { containers: [{ name: "main", ...container }] } };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "bad" },
    spec: { selector: { matchLabels: { app: "bad" } }, template, ...spec },
  };
}

interface Case extends Asked {
  readonly name: string;
  readonly code: number;
  readonly says: string | RegExp;
}

const post = (name: string, code: number, says: string | RegExp, body: unknown, more: Partial<Asked> = {}): Case => ({
  name,
  code,
  says,
  method: "POST",
  path: MAPS,
  body,
  ...more,
});
const get = (name: string, code: number, says: string | RegExp, path: string): Case => ({ name, code, says, path });

const cases: readonly Case[] = [
  post("half a JSON object", 400, /unexpected end|couldn't get version\/kind|json/i, '{"apiVersion":'),
  post("broken YAML", 400, /yaml|couldn't get version\/kind/i, "metadata: [name: {", { headers: YAML }),
  post("no body", 400, /./, ""),
  post("a list where an object belongs", 400, /./, "[]"),
  post("a text where an object belongs", 400, /./, '"text"'),
  post(
    "a number where a map belongs",
    400,
    /cannot unmarshal number into Go struct field ConfigMap\.data/,
    map({ name: "a" }, { data: 5 }),
  ),
  post("a list where a text belongs", 400, /cannot unmarshal array/, map({ name: ["a"] })),
  post("a million brackets", 400, /./, "[".repeat(1_000_000)),
  post(
    "bytes that are no UTF-8",
    422,
    /metadata\.name: Invalid value/,
    Buffer.from('{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"\xff\xfe"}}', "latin1"),
  ),
  post("more than the server takes", 413, /too large/i, map({ name: "large" }, { data: { a: "x".repeat(4_000_000) } })),
  post("another kind", 400, /does not match|unrecognized|cannot be handled/, { ...map({ name: "a" }), kind: "Secret" }),
  post("a kind that nobody knows", 400, /no kind "Nothing" is registered|cannot be handled|does not match/, {
    ...map({ name: "a" }),
    kind: "Nothing",
  }),
  post(
    "another namespace",
    400,
    /namespace of the (provided )?object does not match the namespace (sent )?on the request/,
    map({ name: "a", namespace: "elsewhere" }),
  ),
  post(
    "a name against the rules",
    422,
    /metadata\.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain/,
    map({ name: "Bad_Name" }),
  ),
  post("no name", 422, /metadata\.name: Required value: name or generateName is required/, map({})),
  post(
    "a label against the rules",
    422,
    /metadata\.labels: Invalid value: "-"/,
    map({ name: "a", labels: { a: "-" } }),
  ),
  post("a namespace that is not there", 404, /namespaces "nowhere" not found/, map({ name: "a" }), {
    path: "/api/v1/namespaces/nowhere/configmaps",
  }),
  post("a content type that nobody speaks", 415, /./, "a=b", { headers: { "content-type": "text/plain" } }),
  post("what is there already", 409, /configmaps "there" already exists/, map({ name: "there" })),
  post(
    "an unknown field, strictly",
    400,
    /strict decoding error: unknown field "dota"/,
    map({ name: "a" }, { dota: {} }),
    { path: `${MAPS}?fieldValidation=Strict` },
  ),
  post(
    "a field twice, strictly",
    400,
    /strict decoding error: duplicate field "data/,
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"1"},"data":{"k":"2"}}',
    { path: `${MAPS}?fieldValidation=Strict` },
  ),
  post("a validation that is none", 422, /fieldValidation: (Unsupported|Invalid) value: "Never"/, map({ name: "a" }), {
    path: `${MAPS}?fieldValidation=Never`,
  }),
  post("a dry run that is none", 422, /dryRun: Unsupported value: "Some"/, map({ name: "a" }), {
    path: `${MAPS}?dryRun=Some`,
  }),
  post(
    "a Deployment without image",
    422,
    /spec\.template\.spec\.containers\[0\]\.image: Required value/,
    deployment({}, {}),
    { path: DEPLOYMENTS },
  ),
  post(
    "a Deployment whose selector misses its Pods",
    422,
    /`selector` does not match template `labels`/,
    deployment({ selector: { matchLabels: { app: "other" } } }),
    { path: DEPLOYMENTS },
  ),
  post(
    "fewer than no replicas",
    422,
    /spec\.replicas: Invalid value: -1: must be greater than or equal to 0/,
    deployment({ replicas: -1 }),
    { path: DEPLOYMENTS },
  ),
  post(
    "a text for a number",
    400,
    /cannot unmarshal string into Go struct field DeploymentSpec\.spec\.replicas of type int32/,
    deployment({ replicas: "three" }),
    { path: DEPLOYMENTS },
  ),
  post(
    "a Pod without containers",
    422,
    /spec\.containers: Required value/,
    { apiVersion: "v1", kind: "Pod", metadata: { name: "a" }, spec: { containers: [] } },
    { path: PODS },
  ),
  post(
    "an amount that is none",
    400,
    /quantities must match the regular expression/,
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "a" },
      spec: { containers: [{ name: "a", image: "a", resources: { limits: { memory: "lots" } } }] },
    },
    { path: PODS },
  ),
  {
    ...get(
      "a stale update",
      409,
      /Operation cannot be fulfilled on configmaps "there": the object has been modified; please apply your changes to the latest version and try again/,
      `${MAPS}/there`,
    ),
    method: "PUT",
    body: map({ name: "there", resourceVersion: "1" }),
  },
  {
    ...get(
      "an update under another name",
      400,
      /the name of the object \(other\) does not match the name on the URL \(there\)/,
      `${MAPS}/there`,
    ),
    method: "PUT",
    body: map({ name: "other" }),
  },
  {
    ...get("an update of what is not there", 404, /configmaps "nobody" not found/, `${MAPS}/nobody`),
    method: "PUT",
    body: map({ name: "nobody", resourceVersion: "1" }),
  },
  {
    ...get("a JSON patch that is an object", 400, /./, `${MAPS}/there`),
    method: "PATCH",
    headers: JSON_PATCH,
    body: "{}",
  },
  {
    ...get(
      "a JSON patch that does not fit",
      422,
      /the server rejected our request due to an error in our request/,
      `${MAPS}/there`,
    ),
    method: "PATCH",
    headers: JSON_PATCH,
    body: [{ op: "remove", path: "/none" }],
  },
  {
    ...get("a patch of no known kind", 415, /accepted media types include/, `${MAPS}/there`),
    method: "PATCH",
    body: "{}",
  },
  {
    ...get("preconditions that do not hold", 409, /the UID in the precondition|Precondition failed/, `${MAPS}/there`),
    method: "DELETE",
    body: { preconditions: { uid: "other" } },
  },
  get(
    "a label selector that does not end",
    400,
    /unable to parse requirement|found ''|expected/,
    `${MAPS}?labelSelector=a%20in%20(`,
  ),
  get("a field that no selector knows", 400, /field label not supported: nothing/, `${PODS}?fieldSelector=nothing=1`),
  get("a continue token that is none", 400, /continue key is not valid/, `${MAPS}?continue=garbage`),
  get(
    "a resource version that is none",
    400,
    /invalid resource version|Invalid value: "abc"/i,
    `${MAPS}?resourceVersion=abc`,
  ),
  get("a time that is none", 400, /./, `${MAPS}?watch=1&timeoutSeconds=soon`),
  get("a resource that is none", 404, /the server could not find the requested resource/, "/api/v1/nothings"),
  get(
    "a group that is none",
    404,
    /could not find the requested resource|404 page not found/,
    "/apis/nothing.example/v1/nothings",
  ),
  get("a path that is none", 404, /./, "/nothing"),
  get("a broken escape", 400, /./, "/api/v1/namespaces/%zz/configmaps"),
  { ...get("a method that is none", 405, /./, MAPS), method: "PURGE" },
  {
    ...get("nobody's request", 403, /User "system:anonymous" cannot list resource "configmaps"|forbidden/, MAPS),
    anonymous: true,
  },
  {
    ...get("a token that is none", 401, /Unauthorized/, MAPS),
    anonymous: true,
    headers: { authorization: "Bearer nonsense" },
  },
];

describe("bad input", () => {
  let cluster: Cluster;
  let ask: Ask;
  let pid: number;

  let before: readonly string[];
  /** How often it has failed, by what was asked of it. */
  const failures = async () =>
    (await ask({ path: "/metrics" })).text
      .split("\n")
      .filter((line) => /^apiserver_request_total\{.*code="5/.test(line));

  beforeAll(async () => {
    cluster = await startCluster("--simulated");
    ask = await asker(cluster.paths.adminKubeconfig);
    pid = cluster.pidOf("server");
    before = await failures();
    expect((await ask({ method: "POST", path: MAPS, body: map({ name: "there" }) })).status).toBe(201);
  });
  afterAll(() => cluster?.down());

  test.each(cases)("$name: $code", async ({ code, says, ...asked }) => {
    const { status, text, json } = await ask(asked);
    expect(status, text).toBe(code);
    if (json.kind !== undefined) expect(json).toMatchObject({ kind: "Status", code });
    expect(json.message ?? text).toMatch(says);
  });

  test("unknown fields are warned of, or passed over, as asked", async () => {
    const body = map({ name: "warned" }, { dota: {} });
    const warned = await ask({ method: "POST", path: `${MAPS}?fieldValidation=Warn`, body });
    expect(warned.status).toBe(201);
    expect(warned.headers["warning"]).toContain('unknown field \\"dota\\"');
    const ignored = await ask({
      method: "POST",
      path: `${MAPS}?fieldValidation=Ignore`,
      body: map({ name: "ignored" }, { dota: {} }),
    });
    expect(ignored.status).toBe(201);
    expect(ignored.headers["warning"]).toBeUndefined();
    expect(ignored.text).not.toContain("dota");
  });

  test("kubectl says what is wrong with a file", async () => {
    const wrong = async (text: string, ...flags: string[]) => {
      const ran = await cluster.tryKubectl(ours, ["apply", ...flags, "-f", "-"], text);
      expect(ran.code).toBe(1);
      return ran.stderr;
    };
    expect(await wrong("a: [")).toContain("error converting YAML to JSON");
    expect(await wrong("kind: ConfigMap\nmetadata: {name: a}\n")).toContain("apiVersion not set");
    expect(await wrong("apiVersion: v1\nmetadata: {name: a}\n")).toContain("kind not set");
    expect(await wrong("apiVersion: v1\nkind: Nothing\nmetadata: {name: a}\n")).toContain(
      'no matches for kind "Nothing" in version "v1"',
    );
  });

  test("bytes that are no HTTP end that connection only", async () => {
    const said = await new Promise<string>((resolve, reject) => {
      const socket = connect({ port: cluster.port, host: "127.0.0.1", rejectUnauthorized: false }, () =>
        socket.write("\0\x01\x02 nonsense\r\n\r\n"),
      );
      let text = "";
      socket
        .on("data", (chunk) => (text += String(chunk)))
        .on("close", () => resolve(text))
        .on("error", reject);
    });
    expect(said).toMatch(/^HTTP\/1\.1 400 /);
  });

  test("a second `up` on the same home is harmless, on another port it moves there", async () => {
    await cluster.k8ts("up", "--port", String(cluster.port), "--no-sample", "--simulated");
    expect(cluster.pidOf("server")).toBe(pid);
  });

  test("after all of it the server is the same, healthy, and failed nowhere", async () => {
    expect(cluster.pidOf("server")).toBe(pid);
    expect((await ask({ path: "/readyz" })).text).toBe("ok");
    // at its start it answered that it was not ready yet
    expect(await failures()).toEqual(before);
  });
});

describe.skipIf(!canRunContainers)("a full disk", () => {
  const home = mkdtempSync(join(tmpdir(), "k8ts-full-"));
  const disk = join(home, "disk");
  let server: Running;
  let ask: Ask;
  const write = (index: number) =>
    ask({ method: "POST", path: MAPS, body: map({ name: `large-${index}` }, { data: { text: "x".repeat(200_000) } }) });

  beforeAll(async () => {
    execFileSync("mkdir", [disk]);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", disk]);
    writeFileSync(join(disk, "ballast"), Buffer.alloc(3_000_000));
    ({ server, ask } = await startApiserver(home, "--store", "embedded", "--data-dir", join(disk, "store")));
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    execFileSync("umount", [disk]);
    rmSync(home, { recursive: true });
  });

  test("writes are refused with a clear 5xx, reads go on, and once there is room all is well", async () => {
    const stored: number[] = [];
    let refused: Awaited<ReturnType<Ask>> | undefined;
    for (let index = 0; index < 100 && !refused; index++) {
      const answer = await write(index);
      if (answer.status === 201) stored.push(index);
      else refused = answer;
    }
    expect(stored.length).toBeGreaterThan(5);
    expect(refused?.status).toBeGreaterThanOrEqual(500);
    expect(refused?.json).toMatchObject({ kind: "Status", status: "Failure" });
    expect(refused?.json.message).toMatch(/space|disk|full/i);

    expect((await ask({ path: `${MAPS}/large-${stored.at(-1)}` })).status).toBe(200);
    unlinkSync(join(disk, "ballast"));
    await eventually("writes to be taken again", async () => expect((await write(1000)).status).toBe(201), 30_000);
    for (const index of stored) expect((await ask({ path: `${MAPS}/large-${index}` })).status).toBe(200);
  });
});

describe.skipIf(!hasEtcd)("an etcd that is down", () => {
  const home = mkdtempSync(join(tmpdir(), "k8ts-etcd-"));
  let etcd: Awaited<ReturnType<typeof createEtcd>>;
  let server: Running;
  let ask: Ask;

  beforeAll(async () => {
    etcd = await createEtcd();
    await etcd.start();
    ({ server, ask } = await startApiserver(home, "--store", "etcd", "--etcd-servers", etcd.url));
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await etcd?.remove();
    rmSync(home, { recursive: true });
  });

  test("is told as a 5xx Status, and the server goes on by itself when it is back", async () => {
    expect((await ask({ method: "POST", path: MAPS, body: map({ name: "before" }) })).status).toBe(201);
    await etcd.kill();
    const write = await ask({ method: "POST", path: MAPS, body: map({ name: "meanwhile" }) });
    expect([500, 503, 504], write.text).toContain(write.status);
    expect(write.json).toMatchObject({ kind: "Status", status: "Failure" });
    expect(write.json.message).toMatch(/etcd|store/);
    await eventually("the server to say that it is not ready", async () =>
      expect((await ask({ path: "/readyz" })).status).toBeGreaterThanOrEqual(500),
    );
    expect((await ask({ path: "/livez" })).status).toBe(200);

    await etcd.start();
    await eventually("the server to be ready again", async () =>
      expect((await ask({ path: "/readyz" })).status).toBe(200),
    );
    expect((await ask({ path: `${MAPS}/before` })).status).toBe(200);
    expect((await ask({ method: "POST", path: MAPS, body: map({ name: "after" }) })).status).toBe(201);
  });
});

/** An API server by itself, ready. */
async function startApiserver(home: string, ...flags: string[]): Promise<{ server: Running; ask: Ask }> {
  const [program = ""] = ours.command;
  const port = String(await freePort());
  const env = { ...process.env, K8TS_HOME: home, HOME: home };
  const server = start([program, "apiserver", "--port", port, "--listen", "127.0.0.1", ...flags], env);
  const ask = await eventually("the API server to be ready", async () => {
    const ask = await asker(homePaths(home).adminKubeconfig);
    expect((await ask({ path: "/readyz" })).text).toBe("ok");
    return ask;
  });
  return { server, ask };
}
