/** Admission policies and bindings: what is told about those that are written wrongly, through the whole pipeline. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

const send = (method: string, path: string, body: unknown) => pipeline.send({ method, path, body });
const GROUP = "/apis/admissionregistration.k8s.io/v1";
const POLICIES = `${GROUP}/validatingadmissionpolicies`;
const BINDINGS = `${GROUP}/validatingadmissionpolicybindings`;

const onConfigMaps = {
  resourceRules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"] }],
};

describe("a policy that is written wrongly", () => {
  const refused = async (spec: object): Promise<string[]> => {
    const { status, value } = await send("POST", POLICIES, {
      metadata: { name: "wrong" },
      spec: { matchConstraints: onConfigMaps, ...spec },
    });
    expect(status, JSON.stringify(value)).toBe(422);
    return value.details.causes.map((one: { field: string; message: string }) => `${one.field}: ${one.message}`);
  };
  const cases: readonly (readonly [what: string, spec: object, ...causes: string[]])[] = [
    [
      "an expression that does not compile",
      { validations: [{ expression: "object.data.size() <" }] },
      'spec.validations[0].expression: Invalid value: "object.data.size() <": compilation failed: ERROR: <input>:1:21: Syntax error: Unexpected token: EOF\n | object.data.size() <\n | ....................^',
    ],
    [
      "an expression of another type",
      { validations: [{ expression: "1" }] },
      'spec.validations[0].expression: Invalid value: "1": must evaluate to bool',
    ],
    [
      "params without a paramKind",
      { validations: [{ expression: "params.x" }] },
      `spec.validations[0].expression: Invalid value: "params.x": compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n | params.x\n | ^`,
    ],
    [
      "a field that requests have not",
      { validations: [{ expression: "request.foo == ''" }] },
      `spec.validations[0].expression: Invalid value: "request.foo == ''": compilation failed: ERROR: <input>:1:8: undefined field 'foo'\n | request.foo == ''\n | .......^`,
    ],
    [
      "a message that is no text",
      { validations: [{ expression: "true", messageExpression: "1 + 1" }] },
      'spec.validations[0].messageExpression: Invalid value: "1 + 1": must evaluate to string',
    ],
    [
      "a variable that comes later",
      {
        variables: [
          { name: "a", expression: "variables.b" },
          { name: "b", expression: "1" },
          { name: "in", expression: "1" },
        ],
        validations: [{ expression: "true" }],
      },
      'spec.variables[2].name: Invalid value: "in": name is not a valid CEL identifier',
      `spec.variables[0].expression: Invalid value: "variables.b": compilation failed: ERROR: <input>:1:10: undefined field 'b'\n | variables.b\n | .........^`,
    ],
    [
      "no validations",
      { validations: [] },
      "spec.validations: Required value: validations or auditAnnotations must contain at least one item",
      "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item",
    ],
    [
      "nothing that it is about",
      { matchConstraints: { resourceRules: [] }, validations: [{ expression: "true" }] },
      "spec.matchConstraints.resourceRules: Required value",
    ],
    [
      "a reason that there is not, and a message of two lines",
      { validations: [{ expression: "true", reason: "NotFound", message: "a\nb" }] },
      'spec.validations[0].message: Invalid value: "a\\nb": message must not contain line breaks',
      'spec.validations[0].reason: Unsupported value: "NotFound": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"',
    ],
    [
      "an audit annotation that is a number",
      { auditAnnotations: [{ key: "k", valueExpression: "1" }] },
      'spec.auditAnnotations[0].valueExpression: Invalid value: "1": must evaluate to one of [string null_type]',
    ],
    [
      "rules that say too much and too little",
      {
        matchConstraints: {
          resourceRules: [
            { apiGroups: ["*", "apps"], apiVersions: [], operations: ["READ"], resources: ["*", "pods"] },
          ],
        },
        validations: [{ expression: "true" }],
      },
      'spec.matchConstraints.resourceRules[0].operations[0]: Unsupported value: "READ": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"',
      `spec.matchConstraints.resourceRules[0].apiGroups: Invalid value: ["*","apps"]: if '*' is present, must not specify other API groups`,
      "spec.matchConstraints.resourceRules[0].apiVersions: Required value",
      `spec.matchConstraints.resourceRules[0].resources: Invalid value: ["*","pods"]: if '*' is present, must not specify other resources without subresources`,
    ],
  ];
  test.each(cases)("%s", async (_what, spec, ...causes) => {
    expect(await refused(spec as object)).toEqual(causes);
  });

  test("and a binding", async () => {
    const { status, value } = await send("POST", BINDINGS, {
      metadata: { name: "wrong" },
      spec: { policyName: "p", validationActions: ["Deny", "Warn"], paramRef: {} },
    });
    expect(status).toBe(422);
    expect(value.details.causes.map((one: { field: string }) => one.field)).toEqual([
      "spec.paramRef",
      "spec.paramRef.parameterNotFoundAction",
      "spec.validationActions",
    ]);
  });
});
