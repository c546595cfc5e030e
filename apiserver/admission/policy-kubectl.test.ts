/**
 * Policies as people meet them: the oldest and the newest real kubectl, and ours, against a server over TLS.
 *
 * Skipped for real ones where none is installed.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { endsOf, type Kubectl, realKubectls } from "../../e2e/harness/kubectls.ts";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { type Ran, type Served, serve } from "../../e2e/harness/served.ts";

const POLICY = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: images.example.com}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [pods]}
  variables:
  - {name: foreign, expression: "object.spec.containers.filter(c, !c.image.startsWith('registry.example.com/'))"}
  validations:
  - expression: variables.foreign.size() == 0
    messageExpression: "'not from registry.example.com: ' + variables.foreign.map(c, c.image).join(', ')"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: images-everywhere}
spec:
  policyName: images.example.com
  validationActions: [Deny]
`;
const WRONG = POLICY.split("---")[0]?.replace("variables.foreign.size() == 0", "variables.foreign.size() == '0'") ?? "";
const pod = (image: string): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "x" },
    spec: { containers: [{ name: "c", image }] },
  });
const DENIED =
  `ValidatingAdmissionPolicy 'images.example.com' with binding 'images-everywhere' denied request: ` +
  "not from registry.example.com: nginx:1";

let pipeline: Pipeline;
let served: Served;
beforeAll(async () => {
  pipeline = await startPipeline();
  served = await serve(pipeline);
});
afterAll(async () => {
  await served.close();
  await pipeline.close();
});

type Run = (args: readonly string[], stdin?: string) => Promise<Ran>;
const ours: Run = (args, stdin = "") => served.kubectl(args, { stdin });
const real =
  (which: Kubectl): Run =>
  (args, stdin = "") =>
    served.real(which, args, { stdin });

describe.each<readonly [string, Run]>([
  ["kubectl", ours],
  ...endsOf(realKubectls()).map((which) => [`kubectl ${which.version}`, real(which)] as const),
])("%s", (_name, run) => {
  test("is refused a policy that does not compile, and told why", async () => {
    const { code, stderr } = await run(["create", "-f", "-"], WRONG);
    expect(code).toBe(1);
    expect(stderr).toContain("spec.validations[0].expression: Invalid value:");
    expect(stderr).toContain("found no matching overload for '_==_' applied to '(int, string)'");
  });

  test("is refused a Pod by a policy, and not any more once that is gone", async () => {
    expect(await run(["create", "-f", "-"], POLICY)).toMatchObject({ code: 0 });
    const listed = await run(["get", "validatingadmissionpolicies"]);
    expect(listed.stdout).toMatch(/NAME +VALIDATIONS +PARAMKIND +AGE\nimages.example.com +1 +<unset> /);

    const create = (image: string) => run(["create", "-f", "-"], pod(image));
    const denied = await create("nginx:1");
    expect(denied.stderr).toContain(DENIED);
    expect(denied.code).toBe(1);
    expect(await create("registry.example.com/nginx:1")).toMatchObject({ code: 0 });
    expect(await run(["delete", "pod", "x", "--force", "--grace-period=0"])).toMatchObject({ code: 0 });

    expect(await run(["delete", "-f", "-"], POLICY)).toMatchObject({ code: 0 });
    expect(await create("nginx:1")).toMatchObject({ code: 0 });
    await run(["delete", "pod", "x", "--force", "--grace-period=0"]);
  });
});
