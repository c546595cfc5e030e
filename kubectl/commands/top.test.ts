/** `kubectl top`, ours beside the real one, over nodes whose figures the test says. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { realKubectls } from "../../e2e/harness/kubectls.ts";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { type Ran, type Served, serve } from "../../e2e/harness/served.ts";
import type { Client } from "../../machinery/client/client.ts";
import { systemClock } from "../../machinery/process/clock.ts";

const real = realKubectls().at(-1);

let pipeline: Pipeline;
let served: Served;
const begun = systemClock.now();

/** Pod ► its containers' millicores and mebibytes. */
const POD: Readonly<Record<string, Readonly<Record<string, readonly [number, number]>>>> = {
  "default/web": { main: [250, 100], side: [100, 20] },
  "default/db": { main: [100, 300] },
  "kube-system/dns": { dns: [5, 12] },
};

function textOf(node: string): string {
  if (node !== "one") throw new Error("no tunnel");
  const at = systemClock.now();
  const seconds = (millicores: number) => (millicores * (at - begun)) / 1e6;
  return [
    `node_cpu_usage_seconds_total ${seconds(500)} ${at}`,
    `node_memory_working_set_bytes ${512 * 1024 * 1024} ${at}`,
    ...Object.entries(POD).flatMap(([key, containers]) => {
      const [namespace, pod] = key.split("/");
      return Object.entries(containers).flatMap(([container, [cpu, memory]]) => {
        const labels = `{container="${container}",namespace="${namespace}",pod="${pod}"}`;
        return [
          `container_cpu_usage_seconds_total${labels} ${seconds(cpu)} ${at}`,
          `container_memory_working_set_bytes${labels} ${memory * 1024 * 1024} ${at}`,
        ];
      });
    }),
  ].join("\n");
}

async function node(client: Client, name: string): Promise<void> {
  await client.create("nodes", { metadata: { name, labels: { name } } });
  const status = {
    conditions: [{ type: "Ready", status: "True" }],
    capacity: { cpu: "4", memory: "2Gi" },
    allocatable: { cpu: "2", memory: "1Gi" },
  };
  await client.patch("nodes", { name }, { status }, { type: "merge", subresource: "status" });
}

async function pod(client: Client, namespace: string, name: string, containers: readonly string[]): Promise<void> {
  await client.create("pods", {
    metadata: { namespace, name, labels: { app: name } },
    spec: {
      nodeName: "one",
      automountServiceAccountToken: false,
      containers: containers.map((one) => ({ name: one, image: "web:1" })),
    },
  });
  const running = { status: { phase: "Running" } };
  await client.patch("pods", { namespace, name }, running, { type: "merge", subresource: "status" });
}

beforeAll(async () => {
  pipeline = await startPipeline({ readNode: async (name) => textOf(name) });
  const client = pipeline.client();
  await client.create("serviceaccounts", { metadata: { namespace: "kube-system", name: "default" } }).catch(() => {});
  await node(client, "one");
  await node(client, "two");
  for (const [key, containers] of Object.entries(POD)) {
    const [namespace = "", name = ""] = key.split("/");
    await pod(client, namespace, name, Object.keys(containers));
  }
  await pod(client, "default", "young", ["main"]);
  served = await serve(pipeline);
}, 60_000);
afterAll(async () => {
  await served.close();
  await pipeline.close();
});

const line = (text: string): readonly string[] => text.split(" ").filter(Boolean);

const LINES: readonly (readonly [string, string | RegExp])[] = [
  [
    "top pod",
    "NAME   CPU(cores)   MEMORY(bytes)   \ndb     100m         300Mi           \nweb    350m         120Mi           \n",
  ],
  ["top pods --sort-by=cpu --no-headers", /^web .*\ndb .*\n$/],
  [
    "top pod --containers",
    /^POD +NAME .*\ndb +main +100m +300Mi +\nweb +main +250m +100Mi +\nweb +side +100m +20Mi +\n$/,
  ],
  ["top po -A --sum", /\n +________ +________ +\n +455m +432Mi +\n$/],
  ["top pod -A --containers --sum --sort-by=memory", /^NAMESPACE +POD +NAME +/],
  ["top pod --sum --no-headers", /________/],
  ["top pod web", /^NAME .*\nweb .*\n$/],
  ["top pod -l app=db", /^NAME .*\ndb .*\n$/],
  ["top pod --field-selector=metadata.name=web", /^NAME .*\nweb .*\n$/],
  ["top pod -n none", ""],
  ["top node", /^NAME .*\none +500m +25% +512Mi +50% +\ntwo +<unknown> +<unknown> +<unknown> +<unknown> +\n$/],
  ["top node one --show-capacity", /\none +500m +12% +512Mi +25% +\n$/],
  ["top nodes -l name=one --no-headers --sort-by=memory", /^one /],
];
const REFUSED: readonly (readonly [string, string])[] = [
  ["top pod young", 'Error from server (NotFound): podmetrics.metrics.k8s.io "default/young" not found\n'],
  ["top pod -l app=young", "error: metrics not available yet\n"],
  ["top node -l name=two", "error: metrics not available yet\n"],
  ["top pod --sort-by=age", "error: --sort-by accepts only cpu or memory\n"],
  ["top pod web -l app=web", "error: only one of NAME or selector can be provided\n"],
  ["top node one -l name=one", "error: only one of NAME or --selector can be provided\n"],
  ["top node one two", "error: node [NAME | -l label]\nSee 'kubectl top node -h' for help and examples\n"],
];

test.each(LINES)("%s", async (text, expected) => {
  const { code, stdout, stderr } = await served.kubectl(line(text));
  if (expected === "") expect(stderr).toBe("No resources found in none namespace.\n");
  else expect(stdout).toMatch(expected);
  expect(code).toBe(0);
});

test.each(REFUSED)("%s is refused", async (text, expected) => {
  expect(await served.kubectl(line(text))).toEqual({ code: 1, stdout: "", stderr: expected });
});

describe.skipIf(!real)(`beside kubectl ${real?.version}`, () => {
  /** Padding depends on what else is in a column; the real one's older versions say CPU%. */
  const normalized = ({ code, stdout, stderr }: Ran) => ({
    code,
    stdout: stdout.replaceAll("(%)", "%").replace(/ +(?= |\n)/g, ""),
    stderr: stderr.replace(/kubectl\.1\.\d+/g, "kubectl"),
  });

  test.each([...LINES, ...REFUSED])("%s prints the same", async (text) => {
    const ours = await served.kubectl(line(text));
    const theirs = await served.real(real!, line(text));
    expect(normalized(ours)).toEqual(normalized(theirs));
  });

  test("explains what it is", async () => {
    const { stdout } = await served.real(real!, ["explain", "pods", "--api-version=metrics.k8s.io/v1beta1"]);
    expect(stdout).toMatch(/^GROUP: +metrics.k8s.io\nKIND: +PodMetrics\nVERSION: +v1beta1\n/);
    expect(stdout).toContain("containers");
  });

  test.each(["get nodes.metrics.k8s.io", "get pods.metrics.k8s.io -A"])("%s shows columns", async (text) => {
    const ours = await served.kubectl(line(text));
    const theirs = await served.real(real!, line(text));
    expect(ours.stdout).toMatch(/CPU +MEMORY +WINDOW\n/);
    expect(theirs.stdout).toMatch(/CPU +MEMORY +WINDOW\n/);
  });
});
