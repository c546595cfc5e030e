/** Custom kinds on a whole cluster: defined, used and collected by kubectl, and all there again after a kill -9. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, eventually, startCluster } from "./harness/cluster.ts";
import { endsOf, type Kubectl, ours, realKubectls } from "./harness/kubectls.ts";

const definition = (group: string) =>
  JSON.stringify({
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `backups.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural: "backups", kind: "Backup", shortNames: ["bk"] },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [{ name: "Every", type: "string", jsonPath: ".spec.every" }],
          schema: {
            openAPIV3Schema: {
              type: "object",
              required: ["spec"],
              properties: {
                spec: {
                  type: "object",
                  required: ["every"],
                  properties: {
                    every: { type: "string", pattern: "^[0-9]+[hd]$" },
                    keep: { type: "integer", minimum: 1, default: 3 },
                  },
                  "x-kubernetes-validations": [
                    { rule: "self.keep < 100", messageExpression: "'%d are too many'.format([self.keep])" },
                  ],
                },
                status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
              },
            },
          },
        },
      ],
    },
  });

describe.each(endsOf(realKubectls()).concat(ours))("custom kinds, by kubectl $version", (kubectl: Kubectl) => {
  const group = `v${kubectl.version.replace(".", "-")}.example.com`;
  const kind = `backups.${group}`;
  let cluster: Cluster;
  const run = (args: string, input?: string) => cluster.kubectl(kubectl, args.split(" "), input);
  const attempt = (args: string, input?: string) => cluster.tryKubectl(kubectl, args.split(" "), input);
  const names = async (what: string, more = "") =>
    (await run(`get ${what} -o name${more}`)).split("\n").filter(Boolean);

  const backup = (name: string, spec: object = { every: "1d" }, metadata: object = {}) =>
    JSON.stringify({ apiVersion: `${group}/v1`, kind: "Backup", metadata: { name, ...metadata }, spec });
  const owned = async (by: string) => {
    const uid = await run(`get ${kind} ${by} -o jsonpath={.metadata.uid}`);
    return { ownerReferences: [{ apiVersion: `${group}/v1`, kind: "Backup", name: by, uid }] };
  };
  const empty = (what: string) => eventually(`no ${what}`, async () => expect(await names(what)).toEqual([]), 20_000);

  beforeAll(async () => {
    cluster = await startCluster("--simulated");
    await run("apply -f -", definition(group));
    await run(`wait --for=condition=Established crd/${kind} --timeout=20s`);
  });
  afterAll(() => cluster?.down());

  test("are applied, filled in, shown in columns, explained, and refused in clear words", async () => {
    await run("apply -f -", backup("daily"));
    expect(await run("get bk daily -o jsonpath={.spec.keep}")).toBe("3");
    expect((await run("get bk")).split("\n")[1]).toMatch(/^daily\s+1d/);
    expect(await run("explain backup.spec.keep")).toContain("keep");
    const wrong = await attempt("apply -f -", backup("wrong", { every: "often" }));
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("should match '^[0-9]+[hd]$'")]);
    const many = await attempt("apply -f -", backup("many", { every: "1d", keep: 100 }));
    expect([many.code, many.stderr]).toEqual([1, expect.stringContaining("100 are too many")]);
  });

  test("own and are owned", async () => {
    await run("apply -f -", backup("owner"));
    const metadata = await owned("owner");
    await run("apply -f -", backup("child", { every: "1h" }, metadata));
    const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "owned", ...metadata } };
    await run("apply -f -", JSON.stringify(map));
    await run(`delete ${kind} owner`);
    await eventually("the owned being gone", async () => {
      expect(await names(kind)).toEqual([`backup.${group}/daily`]);
      expect(await names("configmaps")).not.toContain("configmap/owned");
    });
  });

  test("go with their namespace, once their finalizers are gone", async () => {
    await run("create namespace team");
    await run("apply -n team -f -", backup("free"));
    await run("apply -n team -f -", backup("held", { every: "1d" }, { finalizers: ["example.com/hold"] }));
    await run("delete namespace team --wait=false");
    await eventually("the free one being gone", async () =>
      expect(await names(kind, " -n team")).toEqual([`backup.${group}/held`]),
    );
    await run(`patch ${kind} held -n team --type=merge -p {"metadata":{"finalizers":null}}`);
    await eventually("the namespace being gone", async () =>
      expect((await attempt("get namespace team")).stderr).toContain("NotFound"),
    );
  });

  test("are all there after the server was killed", async () => {
    const before = await run("get bk daily -o jsonpath={.metadata.uid}{.metadata.resourceVersion}{.spec}");
    const [revision, pid] = [
      await run(`get crd ${kind} -o jsonpath={.metadata.resourceVersion}`),
      cluster.pidOf("server"),
    ];
    cluster.kill("server");
    await eventually("another server", async () => expect(cluster.pidOf("server")).not.toBe(pid));
    await eventually("readiness", async () => expect(await run("get --raw /readyz")).toBe("ok"));
    // at once: what is ready serves what is defined
    expect(await run("get bk daily -o jsonpath={.metadata.uid}{.metadata.resourceVersion}{.spec}")).toBe(before);
    expect(await run(`get crd ${kind} -o jsonpath={.metadata.resourceVersion}`)).toBe(revision);
    await run("apply -f -", backup("after"));
    const wrong = await attempt("apply -f -", backup("wrong", { every: "often" }));
    expect(wrong.code).toBe(1);
    await run("apply -f -", backup("below", { every: "1h" }, await owned("after")));
    await run(`delete ${kind} after`);
    await eventually("the owned being gone", async () => expect(await names(kind)).toEqual([`backup.${group}/daily`]));
  });

  test("go with their definition, once their finalizers are gone", async () => {
    await run("apply -f -", backup("held", { every: "1d" }, { finalizers: ["example.com/hold"] }));
    await run(`delete crd ${kind} --wait=false`);
    await eventually("the free ones being gone", async () =>
      expect(await names(kind)).toEqual([`backup.${group}/held`]),
    );
    expect((await attempt("create -f -", backup("late"))).stderr).toMatch(/create not allowed|no matches/);
    await run(`patch ${kind} held --type=merge -p {"metadata":{"finalizers":null}}`);
    await empty("crd");
    await eventually("discovery forgetting it", async () =>
      expect((await attempt(`get ${kind}`)).stderr).toMatch(/doesn't have a resource type|could not find/),
    );
  });
});
