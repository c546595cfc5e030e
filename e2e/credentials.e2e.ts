/** Credentials that end: certificates of little more than a minute on a running cluster; tokens that are no more, were never, or of elsewhere. */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Node } from "../machinery/objects/kinds.ts";
import { createAuthority, lifetimeOf, publicKeyHash } from "../machinery/pki/certificates.ts";
import { clientOf } from "../machinery/pki/kubeconfig.ts";
import { systemClock } from "../machinery/process/clock.ts";
import { type Cluster, canRunContainers, clusterOf, eventually } from "./harness/cluster.ts";
import { imageArchive } from "./harness/images.ts";
import { ours, realKubectls } from "./harness/kubectls.ts";
import { createMachines, type Machine, type Machines } from "./harness/machines.ts";
import { IDLE, pod, ready } from "./harness/pods.ts";
import type { Running } from "./harness/running.ts";

const kubectl = realKubectls().at(-1) ?? ours;
const [program = ""] = ours.command;

const LIFE_SECONDS = 75;

describe.skipIf(!canRunContainers)("credentials", () => {
  let machines: Machines;
  let one: Machine;
  let two: Machine;
  let three: Machine;
  let cluster: Cluster;
  let url: string;
  let asking: readonly Running[];
  let first: Readonly<Record<string, string>>;
  let before: unknown;
  const run = (...args: string[]) => cluster.kubectl(kubectl, args);
  const newToken = async (...flags: string[]) =>
    (await one.k8ts("token", "create", "--print", "token", ...flags)).trim();

  /** Every certificate of the cluster that is renewed, by its file. */
  const certificates = async (): Promise<Record<string, string>> => {
    const files = [one, two].flatMap(({ paths }) => [
      ...["kubelet", "proxy", "dns"].map((component) => paths.kubeconfig(component)),
      `${paths.pki}/kubelet-serving.crt`,
    ]);
    const all = [...files, one.paths.adminKubeconfig, `${one.paths.pki}/apiserver.crt`];
    const texts = all.map(async (file) => [file, await readFile(file, "utf8")] as const);
    return Object.fromEntries(
      (await Promise.all(texts)).map(([file, text]) => [file, clientOf(text)?.certificate ?? text]),
    );
  };
  /** Who has run since when, and since when each node is Ready. */
  const steadiness = async () => {
    const { items } = JSON.parse(await run("get", "nodes", "-l", "kubernetes.io/hostname!=three", "-o", "json")) as {
      items: Node[];
    };
    return {
      ready: items.map(({ status }) => status?.conditions?.find(({ type }) => type === "Ready")),
      pids: ["supervisor", "server", "agent", "dns"].map(one.pidOf),
      agent: two.pidOf("agent"),
    };
  };

  beforeAll(async () => {
    const image = await imageArchive("busybox");
    machines = await createMachines();
    [one, two, three] = await Promise.all([
      machines.machine("one"),
      machines.machine("two"),
      machines.machine("three"),
    ]);
    cluster = clusterOf(one);
    url = `https://${one.address}:6443`;
    const life = String(LIFE_SECONDS);
    one.start(program, "server", "--certificate-duration", life, "--cluster-signing-duration", life);
    await eventually("the server to be there", () => run("get", "--raw", "/readyz"));
    two.start(program, "agent", "--server", url, "--token", await newToken());
    for (const { name } of [one, two])
      await eventually(`node ${name} to be Ready`, async () =>
        expect(await run("get", "node", name)).toMatch(/ Ready /),
      );
    await two.k8ts("images", "import", image);
    await eventually("every certificate to be there", async () => {
      first = await certificates();
    });
    await cluster.kubectl(kubectl, ["apply", "-f", "-"], pod("steady", { nodeName: "two" }));
    await ready(cluster, kubectl, "steady");
    before = withoutHeartbeats(await steadiness());
    const token = (await run("create", "token", "default")).trim();
    asking = [`${url}/version`, `https://${two.address}:10250/metrics`].map((address) => {
      const curl = `curl -sS --max-time 10 --cacert ${one.paths.pki}/ca.crt -H "Authorization: Bearer ${token}"`;
      return three.start(
        "sh",
        "-c",
        `while :; do ${curl} -o /dev/null -w '%{http_code}\\n' ${address}; sleep 0.3; done`,
      );
    });
  });
  afterAll(() => machines?.close());

  describe("of a machine that would join", () => {
    const elsewhere = async () => publicKeyHash((await createAuthority(systemClock, "other")).certificate);
    const refused = "the server does not take the token: it has expired, was deleted, or was never one of this cluster";
    test.each<[string, () => Promise<string>, string, string]>([
      ["has expired", expired, refused, "k8ts token create"],
      ["was deleted", deleted, refused, "k8ts token create"],
      [
        "was never one",
        async () => (await newToken()).replace(/\..*/, ".0123456789abcdef"),
        refused,
        "k8ts token create",
      ],
      [
        "is another cluster's",
        async () => (await newToken()).replace(/K10[0-9a-f]+/, `K10${await elsewhere()}`),
        "the server at https://10.99.0.11:6443 is not the one that the token is from",
        "make a token on that very server",
      ],
    ])("whose token %s is told so, and what to do", async (_what, make, why, way) => {
      const token = await make();
      await eventually("the token to be refused", async () => {
        const { code, stderr } = await three.attempt(
          program,
          "agent",
          "--simulated",
          "--server",
          url,
          "--token",
          token,
        );
        expect(code).not.toBe(0);
        expect(stderr).toContain(why);
        expect(stderr).toContain(way);
      });
    });

    const idOf = (token: string) => token.replace(/^.*::/, "").replace(/\..*/, "");

    /** A machine that is quick enough joins with it before. */
    async function expired(): Promise<string> {
      const token = await newToken("--ttl", "1s");
      await eventually("the token to expire", async () =>
        expect(await one.k8ts("token", "list")).not.toMatch(new RegExp(`^${idOf(token)} +\\d`, "m")),
      );
      return token;
    }

    async function deleted(): Promise<string> {
      const token = await newToken();
      await one.k8ts("token", "delete", idOf(token));
      return token;
    }

    test("may come back with a good one", async () => {
      three.start(program, "agent", "--simulated", "--server", url, "--token", await newToken());
      await eventually("node three to be Ready", async () =>
        expect(await run("get", "node", "three")).toMatch(/ Ready /),
      );
    });
  });

  test("that end within minutes are renewed on every machine, with no restart and no request lost", async () => {
    await eventually(
      "every certificate to be another one",
      async () => {
        const now = await certificates();
        expect(Object.keys(first).filter((file) => now[file] === first[file])).toEqual([]);
      },
      1.5 * LIFE_SECONDS * 1000,
    );
    const ends = Object.values(first).map((certificate) => lifetimeOf(certificate)?.until ?? 0);
    await systemClock.sleep(Math.max(0, ...ends.map((end) => end - systemClock.now())) + 2_000);
    await cluster.kubectl(
      kubectl,
      ["apply", "-f", "-"],
      pod("fresh", { nodeName: "two", containers: [{ command: IDLE }] }),
    );
    await ready(cluster, kubectl, "fresh");
    expect(await run("exec", "steady", "--", "echo", "hello")).toBe("hello\n");
    expect(withoutHeartbeats(await steadiness())).toEqual(before);
    const [api, kubelet] = asking as readonly [Running, Running];
    for (const [{ stdout, stderr }, answer] of [
      [api, "200"],
      [kubelet, "403"], // the account may not, but was recognized over a connection that it trusts
    ] as const) {
      expect(stderr).toBe("");
      const answers = stdout.trim().split("\n");
      expect(answers.length).toBeGreaterThan(LIFE_SECONDS / 2);
      expect(answers.filter((code) => code !== answer)).toEqual([]);
    }
  });
});

/** Of a condition, what changes with each heartbeat does not count. */
function withoutHeartbeats(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, one: unknown) => (key === "lastHeartbeatTime" ? undefined : one)));
}
