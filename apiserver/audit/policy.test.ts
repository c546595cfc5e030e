import { describe, expect, test } from "vitest";
import { type Asked, readPolicy, type Who } from "./policy.ts";

const policyOf = (rules: string, more = "") =>
  readPolicy(`apiVersion: audit.k8s.io/v1\nkind: Policy\n${more}rules:\n${rules}`, "policy.yaml");

const pods: Asked = {
  isResource: true,
  verb: "get",
  path: "/api/v1/namespaces/default/pods/web",
  group: "",
  resource: "pods",
  subresource: "",
  namespace: "default",
  name: "web",
};
const log = { ...pods, subresource: "log" };
const scale = { ...pods, group: "apps", resource: "deployments", subresource: "scale" };
const health = { ...pods, isResource: false, path: "/healthz", resource: "", namespace: "", name: "" };
const ann: Who = { name: "ann", groups: ["team", "system:authenticated"] };

describe("a rule", () => {
  test.each<[string, string, Asked, Who | undefined, boolean]>([
    ["without conditions", "- level: Metadata", pods, ann, true],
    ["without conditions, for paths too", "- level: Metadata", health, ann, true],
    ["of users", "- {level: Metadata, users: [ann]}", pods, ann, true],
    ["of other users", "- {level: Metadata, users: [bob]}", pods, ann, false],
    ["of users, when nobody is known", "- {level: Metadata, users: [ann]}", pods, undefined, false],
    ["of groups", "- {level: Metadata, userGroups: [team]}", pods, ann, true],
    ["of other groups", "- {level: Metadata, userGroups: [others]}", pods, ann, false],
    ["of verbs", "- {level: Metadata, verbs: [get, list]}", pods, ann, true],
    ["of other verbs", "- {level: Metadata, verbs: [list]}", pods, ann, false],
    ["of a group's resources", '- {level: Metadata, resources: [{group: ""}]}', pods, ann, true],
    ["of another group", "- {level: Metadata, resources: [{group: apps}]}", pods, ann, false],
    ["of resources", '- {level: Metadata, resources: [{group: "", resources: [pods]}]}', pods, ann, true],
    ["of resources, not their subresources", "- {level: Metadata, resources: [{resources: [pods]}]}", log, ann, false],
    ["of a subresource", "- {level: Metadata, resources: [{resources: [pods/log]}]}", log, ann, true],
    ["of all subresources", "- {level: Metadata, resources: [{resources: [pods/*]}]}", log, ann, true],
    [
      "of any one's subresource",
      '- {level: Metadata, resources: [{group: apps, resources: ["*/scale"]}]}',
      scale,
      ann,
      true,
    ],
    ["of everything in a group", '- {level: Metadata, resources: [{group: apps, resources: ["*"]}]}', scale, ann, true],
    ["of names", "- {level: Metadata, resources: [{resources: [pods], resourceNames: [web]}]}", pods, ann, true],
    ["of other names", "- {level: Metadata, resources: [{resources: [pods], resourceNames: [db]}]}", pods, ann, false],
    ["of namespaces", "- {level: Metadata, namespaces: [default]}", pods, ann, true],
    ["of other namespaces", "- {level: Metadata, namespaces: [kube-system]}", pods, ann, false],
    ["of namespaces, for a path", "- {level: Metadata, namespaces: [default]}", health, ann, false],
    ["of a path", "- {level: Metadata, nonResourceURLs: [/healthz]}", health, ann, true],
    ["of paths that begin alike", '- {level: Metadata, nonResourceURLs: ["/health*"]}', health, ann, true],
    ["of all paths", '- {level: Metadata, nonResourceURLs: ["*"]}', health, ann, true],
    ["of paths, for a resource", '- {level: Metadata, nonResourceURLs: ["*"]}', pods, ann, false],
  ])("%s", (_name, rule, asked, user, matched) => {
    expect(policyOf(rule).decide(asked, user).level).toBe(matched ? "Metadata" : "None");
  });

  test("that stands first decides", () => {
    const policy = policyOf("- {level: None, verbs: [get]}\n- {level: Request}");
    expect(policy.decide(pods, ann).level).toBe("None");
    expect(policy.decide({ ...pods, verb: "update" }, ann).level).toBe("Request");
  });

  test("adds its omitted stages to the policy's, and has its own word on managed fields", () => {
    const policy = policyOf(
      "- {level: Metadata, verbs: [get], omitStages: [Panic], omitManagedFields: false}\n- level: Metadata",
      "omitStages: [RequestReceived]\nomitManagedFields: true\n",
    );
    const { omitStages, omitManagedFields } = policy.decide(pods, ann);
    expect([...omitStages]).toEqual(["RequestReceived", "Panic"]);
    expect(omitManagedFields).toBe(false);
    expect(policy.decide({ ...pods, verb: "list" }, ann).omitManagedFields).toBe(true);
  });
});

describe("a policy file is refused", () => {
  test.each([
    ["kind: Pod", "it is undefined, Pod; audit.k8s.io/v1, Policy is needed"],
    ["apiVersion: audit.k8s.io/v1\nkind: Policy", "it has no rules"],
    [
      "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: All}]",
      'rules[0].level: Unsupported value: "All": supported values: "None", "Metadata", "Request", "RequestResponse"',
    ],
    [
      "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [Late]\nrules: [{level: None}]",
      'omitStages: Unsupported value: "Late": supported values: "RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"',
    ],
    [
      "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, namespaces: [a], nonResourceURLs: [/b]}]",
      "rules cannot apply to both regular resources and non-resource URLs",
    ],
    [
      "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, nonResourceURLs: [b]}]",
      "non-resource URL rules must begin with a '/' character",
    ],
    [
      'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, nonResourceURLs: ["/a*b"]}]',
      "non-resource URL wildcards '*' must be the final character of the rule",
    ],
    [
      "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, resources: [{resourceNames: [a]}]}]",
      "using resourceNames requires at least one resource",
    ],
  ])("%s", (text, problem) => {
    expect(() => readPolicy(text, "policy.yaml")).toThrow(problem);
  });
});
