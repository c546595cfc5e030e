import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { network, pod, policy, state } from "./policy.fixture.ts";
import { noRules, type PolicyState, rulesOf } from "./rules.ts";
import { change, type Family, replaceAll } from "./script.ts";

const web = pod("web", "10.42.0.2", { labels: { app: "web" }, ports: [{ name: "http", protocol: "tcp", port: 8080 }] });
const db = pod("db", "10.42.0.3", { labels: { app: "db" } });
const far = pod("far", "10.42.1.2", {
  labels: { app: "web" },
  nodeName: "two",
  ports: [{ name: "http", protocol: "tcp", port: 9090 }],
});
const other = pod("other", "10.42.1.3", { namespace: "lab", labels: { app: "web" }, nodeName: "two" });
const pods = [web, db, far, other];

/** What the policies let through, with sets written out; of one Pod. */
function allowed(of: PolicyState, address: string, direction: "ingress" | "egress"): readonly string[] | undefined {
  const rules = rulesOf(of);
  const verdict = rules.elements[`${direction}${address.includes(":") ? "6" : "4"}`].get(address);
  if (!verdict) return undefined;
  const chain = rules.chains.get(verdict.replace("goto ", "")) ?? [];
  expect(chain.at(-1)).toBe("drop");
  return chain
    .slice(0, -1)
    .flatMap((jump) => rules.chains.get(jump.replace("jump ", "")) ?? [])
    .map((rule) =>
      rule
        .replaceAll(/@(\S+)/g, (_, set: string) => `[${[...(rules.sets.get(set)?.elements.keys() ?? [])].join(", ")}]`)
        .replace(/ ?accept$/, ""),
    );
}

const ingress = (...rules: object[]) => policy("p", { podSelector: { matchLabels: { app: "web" } }, ingress: rules });
const egress = (...rules: object[]) =>
  policy("p", { podSelector: { matchLabels: { app: "web" } }, policyTypes: ["Egress"], egress: rules });
const label = (app: string) => ({ matchLabels: { app } });

describe("what comes in", () => {
  test.each<readonly [string, object[], string[]]>([
    ["nothing, without rules", [], []],
    ["everything, with an empty rule", [{}], [""]],
    ["Pods of the namespace", [{ from: [{ podSelector: {} }] }], ["ip saddr [10.42.0.2, 10.42.0.3, 10.42.1.2]"]],
    ["Pods with labels", [{ from: [{ podSelector: label("db") }] }], ["ip saddr [10.42.0.3]"]],
    [
      "Pods by expressions",
      [{ from: [{ podSelector: { matchExpressions: [{ key: "app", operator: "NotIn", values: ["db"] }] } }] }],
      ["ip saddr [10.42.0.2, 10.42.1.2]"],
    ],
    [
      "Pods of namespaces",
      [{ from: [{ namespaceSelector: { matchLabels: { team: "lab" } } }] }],
      ["ip saddr [10.42.1.3]"],
    ],
    [
      "Pods of all namespaces",
      [{ from: [{ namespaceSelector: {}, podSelector: label("web") }] }],
      ["ip saddr [10.42.0.2, 10.42.1.2, 10.42.1.3]"],
    ],
    [
      "either of two peers",
      [{ from: [{ podSelector: label("db") }, { namespaceSelector: { matchLabels: { team: "lab" } } }] }],
      ["ip saddr [10.42.0.3]", "ip saddr [10.42.1.3]"],
    ],
    [
      "a range but a part",
      [{ from: [{ ipBlock: { cidr: "192.0.2.0/24", except: ["192.0.2.0/25", "192.0.2.255/32"] } }] }],
      ["ip saddr 192.0.2.128-192.0.2.254"],
    ],
    [
      "ranges that overlap, as one",
      [
        {
          from: [
            { ipBlock: { cidr: "10.0.0.0/9" } },
            { ipBlock: { cidr: "10.64.0.0/10" } },
            { ipBlock: { cidr: "192.0.2.1/32" } },
          ],
        },
      ],
      ["ip saddr { 10.0.0.0-10.127.255.255, 192.0.2.1 }"],
    ],
    ["every address", [{ from: [{ ipBlock: { cidr: "0.0.0.0/0" } }] }], ["meta protocol ip"]],
    ["addresses of the other family: nobody", [{ from: [{ ipBlock: { cidr: "2001:db8::/32" } }] }], []],
    ["a port", [{ ports: [{ port: 80, protocol: "TCP" }] }], ["tcp dport 80"]],
    ["a protocol", [{ ports: [{ protocol: "UDP" }] }], ["meta l4proto udp"]],
    [
      "ports of a range",
      [
        {
          ports: [
            { port: 80 },
            { port: 8000, endPort: 8100 },
            { port: 8050, endPort: 8200 },
            { port: 53, protocol: "UDP" },
          ],
        },
      ],
      ["tcp dport { 80, 8000-8200 }", "udp dport 53"],
    ],
    [
      "a port by the Pod's own name for it",
      [{ ports: [{ port: "http" }] }],
      ["ip daddr . tcp dport [10.42.0.2 . 8080]"],
    ],
    ["a name that the Pod does not know: nothing", [{ ports: [{ port: "sql" }] }], ["ip daddr . tcp dport []"]],
    [
      "a peer at a port",
      [{ from: [{ podSelector: label("db") }], ports: [{ port: 80 }, { port: 53, protocol: "UDP" }] }],
      ["ip saddr [10.42.0.3] tcp dport 80", "ip saddr [10.42.0.3] udp dport 53"],
    ],
  ])("%s", (_, rules, wanted) => {
    expect(allowed(state(pods, [ingress(...rules)]), "10.42.0.2", "ingress")).toEqual(wanted);
  });
});

describe("what leaves", () => {
  test.each<readonly [string, object[], string[]]>([
    ["nothing, without rules", [], []],
    ["to Pods", [{ to: [{ podSelector: label("db") }] }], ["ip daddr [10.42.0.3]"]],
    [
      "to a port by the name that the other Pod has for it",
      [{ to: [{ podSelector: label("web") }], ports: [{ port: "http" }] }],
      ["ip daddr [10.42.0.2, 10.42.1.2] ip daddr . tcp dport [10.42.0.2 . 8080, 10.42.1.2 . 9090]"],
    ],
    [
      "to the world but the cluster",
      [{ to: [{ ipBlock: { cidr: "0.0.0.0/0", except: ["10.0.0.0/8"] } }] }],
      ["ip daddr { 0.0.0.0-9.255.255.255, 11.0.0.0-255.255.255.255 }"],
    ],
  ])("%s", (_, rules, wanted) => {
    expect(allowed(state(pods, [egress(...rules)]), "10.42.0.2", "egress")).toEqual(wanted);
  });
});

describe("whom policies bind", () => {
  test("Pods of this node and namespace that they select, in the directions that they name", () => {
    const of = state(pods, [ingress()]);
    expect(allowed(of, "10.42.0.2", "ingress")).toEqual([]);
    for (const address of ["10.42.0.3", "10.42.1.2", "10.42.1.3"])
      expect(allowed(of, address, "ingress")).toBeUndefined();
    expect(allowed(of, "10.42.0.2", "egress")).toBeUndefined();
    expect(allowed(state(pods, [egress()]), "10.42.0.2", "ingress")).toBeUndefined();
  });

  test.each([
    [{ podSelector: {} }, ["ingress"]],
    [{ podSelector: {}, egress: [{}] }, ["ingress", "egress"]],
    [{ podSelector: {}, policyTypes: ["Egress"] }, ["egress"]],
    [{ podSelector: {}, policyTypes: ["Ingress", "Egress"] }, ["ingress", "egress"]],
  ])("the directions of %j are %j", (spec, directions) => {
    const of = state(pods, [policy("p", spec)]);
    const bound = (["ingress", "egress"] as const).filter((one) => allowed(of, "10.42.0.2", one));
    expect(bound).toEqual(directions);
  });

  test("what one of several policies allows is allowed", () => {
    const second = policy("q", { podSelector: {}, ingress: [{ ports: [{ port: 443 }] }] });
    const of = state(pods, [ingress({ ports: [{ port: 80 }] }), second]);
    expect(allowed(of, "10.42.0.2", "ingress")?.toSorted()).toEqual(["tcp dport 443", "tcp dport 80"]);
    expect(allowed(of, "10.42.0.3", "ingress")).toEqual(["tcp dport 443"]);
  });

  test("both addresses of a Pod, each with peers of its family", () => {
    const dual = pod("dual", "10.42.0.9", { labels: { app: "web" }, addresses: ["10.42.0.9", "fd00::9"] });
    const block = [{ ipBlock: { cidr: "2001:db8::/32" } }, { ipBlock: { cidr: "192.0.2.0/24" } }];
    const of = state([dual], [ingress({ from: block, ports: [{ port: 80 }] })]);
    const both = [
      "ip saddr 192.0.2.0-192.0.2.255 tcp dport 80",
      "ip6 saddr 2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff tcp dport 80",
    ];
    expect(allowed(of, "10.42.0.9", "ingress")).toEqual(both);
    expect(allowed(of, "fd00::9", "ingress")).toEqual(both);
    expect([...rulesOf(of).elements.self6.keys()]).toEqual(["fd00::9 . fd00::9"]);
  });

  test("Pods bound by the same policies share a chain, and nothing is there for others", () => {
    const many = Array.from({ length: 100 }, (_, index) => pod(`p${index}`, `10.42.0.${index + 1}`));
    const rules = rulesOf(state(many, [policy("deny", { podSelector: {} })]));
    expect(rules.chains.size).toBe(2);
    expect(rules.sets.size).toBe(0);
    expect(rulesOf(state([far], [ingress({ from: [{ podSelector: {} }] })]))).toEqual(noRules);
  });
});

describe("script", () => {
  const steps: readonly PolicyState[] = [
    state(pods, [
      ingress({ from: [{ podSelector: label("db") }], ports: [{ port: "http" }, { port: 53, protocol: "UDP" }] }),
    ]),
    state(
      [...pods, pod("db-1", "10.42.1.9", { labels: { app: "db" }, nodeName: "two" })],
      [ingress({ from: [{ podSelector: label("db") }], ports: [{ port: "http" }, { port: 53, protocol: "UDP" }] })],
    ),
    state(
      [...pods, pod("dual", "10.42.0.9", { labels: { app: "web" }, addresses: ["10.42.0.9", "fd00::9"] })],
      [
        ingress({
          from: [
            { ipBlock: { cidr: "0.0.0.0/0", except: ["10.0.0.0/8", "192.0.2.0/24"] } },
            { ipBlock: { cidr: "::/0" } },
          ],
        }),
        egress({
          to: [{ namespaceSelector: {} }],
          ports: [{ port: "http" }, { port: 1, endPort: 65_535, protocol: "SCTP" }],
        }),
        policy("A.b-c.example", { podSelector: {}, ingress: [{}] }),
      ],
    ),
    state(pods, []),
  ];

  test("nothing changed: nothing to do", () => {
    const [first] = steps;
    if (first) expect(change(rulesOf(first), rulesOf(first), ["inet"])).toBe("");
  });

  test("a peer more is one element more", () => {
    const [first, second] = steps;
    if (first && second)
      expect(change(rulesOf(first), rulesOf(second), ["inet"])).toMatch(
        /^add element inet k8ts-policy peers-\w+-4 \{ 10\.42\.1\.9 \}\n$/,
      );
  });

  const tables: readonly (readonly Family[])[] = [["inet"], ...(network.bridged ? [["inet", "bridge"] as const] : [])];
  const cases = tables.map((families) => ({ families }));
  test.runIf(network.usable).each(cases)("the kernel takes every change of $families and back", ({ families }) => {
    const rules = steps.map(rulesOf);
    const scripts = rules.map((step, index) =>
      index === 0 ? replaceAll(step, families) : change(rules[index - 1] ?? noRules, step, families),
    );
    scripts.splice(3, 0, replaceAll(rules[2] ?? noRules, families));
    const input = `set -e\n${scripts.map((text) => `nft -f - <<'EOF'\n${text}EOF`).join("\n")}\nnft list ruleset`;
    const table = execFileSync("unshare", ["--net", "sh"], { input, encoding: "utf8" });
    expect(table).not.toContain("10.42.");
    expect(table.match(/chain /g)).toHaveLength(2 * families.length);
  });
});
