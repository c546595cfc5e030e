import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import type { EndpointSlice, Pod, Service } from "../../machinery/objects/kinds.ts";
import { rulesOf } from "./rules.ts";
import { change, noRules, replaceAll } from "./script.ts";

const meta = (name: string) => ({ name, namespace: "default", uid: name, resourceVersion: "1", creationTimestamp: "" });
const options = { nodeName: "one", clusterCIDR: "10.42.0.0/16" };

const service = (spec: object = {}): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: meta("web"),
  spec: { clusterIP: "10.43.0.5", ports: [{ name: "http", port: 80, protocol: "TCP" }], ...spec },
});

type Conditions = NonNullable<EndpointSlice["endpoints"]>[number]["conditions"];

const slice = (
  ...endpoints: readonly [address: string, conditions?: Conditions, nodeName?: string][]
): EndpointSlice => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { ...meta("web-1"), labels: { "kubernetes.io/service-name": "web" } },
  addressType: "IPv4",
  ports: [{ name: "http", port: 8080, protocol: "TCP" }],
  endpoints: endpoints.map(([address, conditions = { ready: true }, nodeName = "one"]) => ({
    addresses: [address],
    conditions,
    nodeName,
  })),
});

const one = rulesOf([service()], [slice(["10.42.0.2"])], [], options);
const two = rulesOf([service()], [slice(["10.42.0.2"], ["10.42.0.3"])], [], options);
const chain = (rules: typeof one) => [...rules.chains.values()].flat().join("\n");

describe("rules", () => {
  test("a Service with endpoints picks one at random", () => {
    expect(chain(two)).toContain("numgen random mod 2 map { 0 : 10.42.0.2 . 8080, 1 : 10.42.0.3 . 8080 }");
    expect([...two.elements.services.keys()]).toEqual(["10.43.0.5 . tcp . 80"]);
  });

  test("a Service without endpoints is refused", () => {
    const rules = rulesOf([service()], [], [], options);
    expect([...rules.elements.refused]).toEqual([["10.43.0.5 . tcp . 80", "goto no-endpoints"]]);
    expect(rules.elements.services.size).toBe(0);
  });

  test("endpoints that terminate serve only while none is ready", () => {
    const going = { ready: false, serving: true, terminating: true };
    expect(chain(rulesOf([service()], [slice(["10.42.0.2", going], ["10.42.0.3"])], [], options))).not.toContain(
      "10.42.0.2",
    );
    expect(chain(rulesOf([service()], [slice(["10.42.0.2", going])], [], options))).toContain("10.42.0.2");
  });

  test("internalTrafficPolicy Local keeps to this node", () => {
    const rules = rulesOf(
      [service({ internalTrafficPolicy: "Local" })],
      [slice(["10.42.0.2"], ["10.42.1.2", undefined, "two"])],
      [],
      options,
    );
    expect(chain(rules)).not.toContain("10.42.1.2");
  });

  test("a node port is reached and masqueraded unless externalTrafficPolicy is Local", () => {
    const spec = { type: "NodePort", ports: [{ name: "http", port: 80, protocol: "TCP", nodePort: 30080 }] };
    const rules = rulesOf([service(spec)], [slice(["10.42.0.2"])], [], options);
    expect([...rules.elements["node-ports"].keys()]).toEqual(["tcp . 30080"]);
    expect([...rules.chains].find(([name]) => name.startsWith("ext-"))?.[1]).toHaveLength(2);
    const local = rulesOf([service({ ...spec, externalTrafficPolicy: "Local" })], [slice(["10.42.0.2"])], [], options);
    expect([...local.chains].find(([name]) => name.startsWith("ext-"))?.[1]).toHaveLength(1);
  });

  test.each(["None", "", undefined])("no rule for clusterIP %j", (clusterIP) => {
    expect(rulesOf([service({ clusterIP })], [slice(["10.42.0.2"])], [], options)).toEqual(noRules);
  });
});

describe("host ports", () => {
  const pod = (hostPort: object, status: object = { podIP: "10.42.0.9", phase: "Running" }): Pod => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: meta("p"),
    spec: { containers: [{ name: "c", ports: [{ containerPort: 80, hostPort: 8080, ...hostPort }] }] },
    status,
  });

  test.each<readonly [string, object, "node-ports" | "services", string]>([
    ["on every address", {}, "node-ports", "tcp . 8080"],
    ["on one address", { hostIP: "192.0.2.7", protocol: "UDP" }, "services", "192.0.2.7 . udp . 8080"],
  ])("%s", (_, port, set, key) => {
    const rules = rulesOf([], [], [pod(port)], options);
    expect([...rules.elements[set].keys()]).toEqual([key]);
    expect(chain(rules)).toContain("dnat ip to 10.42.0.9:80");
  });

  test.each([{ phase: "Pending" }, { podIP: "10.42.0.9", phase: "Succeeded" }])(
    "none for a Pod that is %j",
    (status) => {
      expect(rulesOf([], [], [pod({}, status)], options)).toEqual(noRules);
    },
  );
});

describe("script", () => {
  test("nothing changed: nothing to do", () => {
    expect(change(one, rulesOf([service()], [slice(["10.42.0.2"])], [], options))).toBe("");
  });

  test("an endpoint more changes one chain and no map", () => {
    const script = change(one, two);
    expect(script).toMatch(/^add chain .*\nflush chain .*\n(add rule .*\n){2}add element .* hairpins .*\n$/);
  });

  test.runIf(canUseNft())("the kernel takes every change, with affinity, node ports and back to nothing", () => {
    const spec = { type: "NodePort", ports: [{ name: "http", port: 80, protocol: "TCP", nodePort: 30080 }] };
    const steps = [
      one,
      two,
      rulesOf([service({ ...spec, sessionAffinity: "ClientIP" })], [slice(["10.42.0.2"], ["10.42.0.3"])], [], options),
      rulesOf([service({ ...spec, sessionAffinity: "ClientIP" })], [slice(["10.42.0.2"])], [], options),
      rulesOf([service(spec)], [], [], options),
      noRules,
    ];
    const scripts = steps.map((step, index) =>
      index === 0 ? replaceAll(step) : change(steps[index - 1] ?? noRules, step),
    );
    const input = `set -e\n${scripts.map((text) => `nft -f - <<'EOF'\n${text}EOF`).join("\n")}\nnft list table ip k8ts-proxy`;
    const table = execFileSync("unshare", ["--net", "sh"], { input, encoding: "utf8" });
    expect(table).not.toContain("10.42.0");
    expect(table).toContain("chain translate-incoming");
  });
});

/** A network namespace of the test's own keeps the machine's rules out of it. */
function canUseNft(): boolean {
  try {
    execFileSync("unshare", ["--net", "nft", "list", "ruleset"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
