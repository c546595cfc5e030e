/** kubectl's dialect of JSONPath. */
import { describe, expect, test } from "vitest";
import { compilePath, compileTemplate } from "./jsonpath.ts";

const list = {
  kind: "List",
  items: [
    {
      kind: "None",
      metadata: { name: "127.0.0.1", labels: { "kubernetes.io/hostname": "127.0.0.1" } },
      status: { capacity: { cpu: "4" }, addresses: [{ type: "LegacyHostIP", address: "127.0.0.1" }] },
    },
    {
      kind: "None",
      metadata: { name: "127.0.0.2" },
      status: {
        capacity: { cpu: "8" },
        ready: true,
        count: 3,
        addresses: [
          { type: "LegacyHostIP", address: "127.0.0.2" },
          { type: "another", address: "127.0.0.3" },
        ],
      },
    },
  ],
  users: [
    { name: "myself", user: {} },
    { name: "e2e", user: { username: "admin", password: "secret" } },
  ],
};

describe("templates", () => {
  test.for([
    ["kind is {.kind}", "kind is List"],
    ["{.kind} {['kind']}", "List List"],
    ["{.items[*]['metadata.name', 'kind']}", "127.0.0.1 127.0.0.2 None None"],
    ["{..name}", "127.0.0.1 127.0.0.2 myself e2e"],
    ["{.items[*].metadata.name}", "127.0.0.1 127.0.0.2"],
    ["{.users[0].name}", "myself"],
    ["{.users[-1].name}", "e2e"],
    ["{.users[0:1].name}", "myself"],
    ["{.users[-2:].name}", "myself e2e"],
    ["{.users[0,1].name}", "myself e2e"],
    ["{.items[*]['metadata','kind'].name}", "127.0.0.1 127.0.0.2"],
    ['{.users[?(@.name=="e2e")].user.password}', "secret"],
    ["{.users[?(@.user.username)].name}", "e2e"],
    ["{.items[?(@.status.count>2)].metadata.name}", "127.0.0.2"],
    ["{.items[?(@.status.ready==true)].metadata.name}", "127.0.0.2"],
    ['{.items[?(@.status.addresses[0].address!="127.0.0.1")].metadata.name}', "127.0.0.2"],
    ["{range .items[*]}[{.metadata.name}, {.status.capacity.cpu}] {end}", "[127.0.0.1, 4] [127.0.0.2, 8] "],
    [
      '{range .items[*]}{range .status.addresses[*]}{.address}{","}{end}{"\\n"}{end}',
      "127.0.0.1,\n127.0.0.2,127.0.0.3,\n",
    ],
    ["{.items[0].metadata.labels.kubernetes\\.io/hostname}", "127.0.0.1"],
    ["{.items[0].metadata.labels['kubernetes\\.io/hostname']}", "127.0.0.1"],
    ["{.nothing.below}", ""],
    ["{.users[1].user}", '{"password":"secret","username":"admin"}'],
    ["{$.kind}{range .users[*]}{$.kind}{end}", "ListListList"],
    ["{@.kind}", "List"],
    ["{\"quoted\"} {'single'}", "quoted single"],
  ] as const)("%s", ([template, text]) => {
    expect(compileTemplate(template)(list)).toBe(text);
  });

  test.for([
    ["{.a", "unclosed action"],
    ["{range .a}", "unterminated range"],
    ["{end}", "not in range, nothing to end"],
    ["{.a[}", "unterminated array"],
    ["{.a[x]}", "invalid array index x"],
  ] as const)("%s cannot be parsed", ([template, why]) => {
    expect(() => compileTemplate(template)).toThrow(why);
  });

  test("an index beyond the list is an error, a slice to its end is not", () => {
    expect(() => compileTemplate("{.users[5].name}")(list)).toThrow("array index out of bounds: index 5, length 2");
    expect(compileTemplate("{.users[1:9].name}")(list)).toBe("e2e");
  });
});

test("paths are taken with and without braces and dot", () => {
  for (const path of ["{.metadata.name}", ".metadata.name", "metadata.name"]) {
    expect(compilePath(path)({ metadata: { name: "x" } })).toEqual(["x"]);
  }
});
