/**
 * Webhooks and mutating policies as people meet them: the newest real kubectl against a server over TLS.
 *
 * Skipped where none is installed.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { endsOf, realKubectls } from "../../e2e/harness/kubectls.ts";
import { type Served, serve } from "../../e2e/harness/served.ts";
import { patchOf } from "../../e2e/harness/webhook-server.ts";
import { startWebhooked, type Webhooked } from "../../e2e/harness/webhooked.ts";

let server: Webhooked;
let served: Served;
beforeAll(async () => {
  server = await startWebhooked();
  served = await serve(server.pipeline);
});
afterAll(async () => {
  await served.close();
  await server.close();
});

const configuration = (kind: string, path: string): string => `
apiVersion: admissionregistration.k8s.io/v1
kind: ${kind}WebhookConfiguration
metadata: {name: ${kind.toLowerCase()}.example.com}
webhooks:
- name: ${kind.toLowerCase()}.hooks.example.com
  clientConfig: {url: "${server.hook.url(path)}", caBundle: ${server.hook.caBundle}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
  sideEffects: None
  admissionReviewVersions: [v1]
`;

const POLICY = `
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: labels.example.com}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  reinvocationPolicy: Never
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {expression: "Object{metadata: Object.metadata{labels: {'made-by': request.userInfo.username}}}"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: labels-everywhere}
spec: {policyName: labels.example.com}
`;

describe.each(endsOf(realKubectls()).slice(-1))("kubectl $version", (which) => {
  const run = (args: readonly string[], stdin = "") => served.real(which, args, { stdin });

  test("is told what webhooks and policies did, by field and by word", async () => {
    const applied = await run(
      ["apply", "-f", "-"],
      `${configuration("Mutating", "/change")}---${configuration("Validating", "/judge")}---${POLICY}`,
    );
    expect(applied, applied.stderr).toMatchObject({ code: 0 });
    server.hook.respond(({ object }, path) => {
      if (path.startsWith("/change")) return patchOf({ op: "add", path: "/data/changed", value: "yes" });
      if (object.data.bad === undefined) return { allowed: true, warnings: ["looks good so far"] };
      return { allowed: false, status: { code: 403, reason: "Forbidden", message: "bad is not good" } };
    });

    const good = await run(["create", "configmap", "good", "--from-literal=a=b"]);
    expect(good).toMatchObject({ code: 0 });
    expect(good.stderr).toContain("Warning: looks good so far");
    const shown = await run(["get", "configmap", "good", "-o", "jsonpath={.data.changed} {.metadata.labels}"]);
    expect(shown.stdout).toMatch(/^yes \{"made-by":".+"\}$/);

    const bad = await run(["create", "configmap", "bad", "--from-literal=bad=x"]);
    expect(bad.code).toBe(1);
    expect(bad.stderr).toContain(
      'error: failed to create configmap: admission webhook "validating.hooks.example.com" denied the request: bad is not good',
    );

    const listed = await run(["get", "mutatingwebhookconfigurations,validatingwebhookconfigurations"]);
    expect(listed.stdout).toMatch(/mutatingwebhookconfiguration.+\/mutating.example.com +1 /);
    const policies = await run(["get", "--raw", "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies"]);
    expect(JSON.parse(policies.stdout).items[0].spec.failurePolicy).toBe("Fail");
  });

  test("is told where nobody answers", async () => {
    const wrong = configuration("Validating", "/").replace(/url: "[^"]+"/, 'url: "https://127.0.0.1:1/x"');
    expect(await run(["apply", "-f", "-"], wrong)).toMatchObject({ code: 0 });
    const { stderr } = await run(["create", "configmap", "late", "--from-literal=a=b"]);
    expect(stderr).toContain(
      'Internal error occurred: failed calling webhook "validating.hooks.example.com": failed to call webhook: ' +
        'Post "https://127.0.0.1:1/x?timeout=10s": dial tcp 127.0.0.1:1: connect: connection refused',
    );
  });
});
