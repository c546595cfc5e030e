/** Rules of webhook configurations: everything that is said about what is sent. */
import { expect, test } from "vitest";
import { type Loose, tryCreate } from "./sample-objects.ts";

const hook = (more: Loose): Loose => ({
  webhooks: [
    {
      name: "a.example.com",
      admissionReviewVersions: ["v1"],
      sideEffects: "None",
      clientConfig: { service: { name: "s", namespace: "n" } },
      ...more,
    },
  ],
});
const rule = (more: Loose): Loose => ({
  rules: [{ operations: ["CREATE"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods"], ...more }],
});
const at = "webhooks[0]";

test.each<[string, Loose, readonly string[]]>([
  ["all that is needed", hook(rule({})), []],
  [
    "conditions without names and sense",
    hook({ matchConditions: [{ expression: "true" }, { name: "b" }, { name: "c", expression: "request.nothing" }] }),
    [
      `${at}.matchConditions[0].name: Required value`,
      `${at}.matchConditions[1].expression: Required value`,
      expect.stringMatching(/matchConditions\[2\].expression: Invalid value: .*undefined field 'nothing'/s),
    ],
  ],
  [
    "conditions of names that are there twice",
    hook({
      matchConditions: [
        { name: "a", expression: "true" },
        { name: "a", expression: "true" },
      ],
    }),
    [`${at}.matchConditions[1].name: Duplicate value: "a"`],
  ],
  [
    "a condition that is about the namespace, or gives no bool",
    hook({
      matchConditions: [
        { name: "a", expression: "namespaceObject != null" },
        { name: "b", expression: "1" },
      ],
    }),
    [
      expect.stringContaining("undeclared reference to 'namespaceObject'"),
      `${at}.matchConditions[1].expression: Invalid value: "1": must evaluate to bool`,
    ],
  ],
  [
    "a service that is not said",
    hook({ clientConfig: { service: { path: "x/y", port: 0 } } }),
    [
      `${at}.clientConfig.service.name: Required value: service name is required`,
      `${at}.clientConfig.service.namespace: Required value: service namespace is required`,
      expect.stringContaining(`${at}.clientConfig.service.port: Invalid value: 0: port is not valid: `),
      `${at}.clientConfig.service.path: Invalid value: "x/y": must start with a '/'`,
      `${at}.clientConfig.service.path: Invalid value: "x/y": segment[0] may not be empty`,
    ],
  ],
  [
    "both ways to be reached",
    hook({ clientConfig: { url: "https://a", service: { name: "s", namespace: "n" } } }),
    [`${at}.clientConfig: Required value: exactly one of url or service is required`],
  ],
  [
    "rules that say all and more",
    hook(rule({ operations: ["*", "CREATE"], apiVersions: [""], resources: ["*/*", "pods"], scope: "Galaxy" })),
    [
      `${at}.rules[0].operations: Invalid value: ["*","CREATE"]: if '*' is present, must not specify other operations`,
      `${at}.rules[0].apiVersions[0]: Required value`,
      `${at}.rules[0].resources: Invalid value: ["*/*","pods"]: if '*/*' is present, must not specify other resources`,
      `${at}.rules[0].scope: Unsupported value: "Galaxy": supported values: "*", "Cluster", "Namespaced"`,
    ],
  ],
])("%s", (_name, body, errors) => {
  for (const plural of ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"])
    expect(tryCreate(plural, body).errors).toEqual(errors);
});

test("reinvocationPolicy", () => {
  const body = hook({ reinvocationPolicy: "Always" });
  expect(tryCreate("mutatingwebhookconfigurations", body).errors).toEqual([
    `${at}.reinvocationPolicy: Unsupported value: "Always": supported values: "IfNeeded", "Never"`,
  ]);
});
