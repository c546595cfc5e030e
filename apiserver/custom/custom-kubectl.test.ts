/**
 * Custom kinds as people meet them: the oldest and the newest real kubectl, and ours, against a server over TLS.
 *
 * Skipped for real ones where none is installed.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { endsOf, type Kubectl, realKubectls } from "../../e2e/harness/kubectls.ts";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { type Ran, type Served, serve } from "../../e2e/harness/served.ts";

const CERTIFICATES = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: certificates.certs.example.com}
spec:
  group: certs.example.com
  scope: Namespaced
  names: {plural: certificates, singular: certificate, kind: Certificate, shortNames: [cert, certs], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        description: A Certificate that is kept up to date.
        type: object
        properties:
          spec:
            type: object
            required: [secretName, dnsNames]
            properties:
              secretName: {type: string, description: Where the key and the certificate are put., minLength: 1}
              dnsNames: {type: array, minItems: 1, items: {type: string}, x-kubernetes-list-type: set}
              duration: {type: string, default: 2160h, format: duration}
              replicas: {type: integer, minimum: 0, default: 1}
              issuerRef:
                type: object
                properties: {name: {type: string}, kind: {type: string, enum: [Issuer, ClusterIssuer], default: Issuer}}
            x-kubernetes-validations:
            - {rule: "self.secretName == oldSelf.secretName", message: secretName is immutable, fieldPath: .secretName}
          status:
            type: object
            properties:
              replicas: {type: integer}
              selector: {type: string}
              conditions:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [type]
                items:
                  type: object
                  required: [type, status]
                  properties: {type: {type: string}, status: {type: string}, message: {type: string}}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}
    additionalPrinterColumns:
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    - {name: Secret, type: string, jsonPath: .spec.secretName}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas, priority: 1}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    selectableFields: [{jsonPath: .spec.secretName}]
`;
const WEB = `
apiVersion: certs.example.com/v1
kind: Certificate
metadata: {name: web, labels: {app: web}}
spec: {secretName: web-tls, dnsNames: [a.example.com]}
`;

interface Line {
  readonly line: string;
  readonly says: readonly (string | RegExp)[];
  readonly code?: number;
  readonly input?: string;
  /** Not by ours. */
  readonly real?: true;
}

const story: readonly Line[] = [
  { line: "apply -f -", input: CERTIFICATES, says: ["certificates.certs.example.com created"] },
  {
    line: "wait --for condition=established crd/certificates.certs.example.com --timeout=10s",
    says: ["certificates.certs.example.com condition met"],
  },
  {
    line: "api-resources --api-group=certs.example.com",
    says: [/certificates +cert,certs +certs.example.com\/v1 +true +Certificate/],
  },
  { line: "explain certificates", says: ["A Certificate that is kept up to date."] },
  { line: "explain certificates.spec.secretName", says: ["Where the key and the certificate are put."] },
  { line: "apply -f -", input: WEB, says: ["certificate.certs.example.com/web created"] },
  { line: "apply -f -", input: WEB, says: ["certificate.certs.example.com/web unchanged"] },
  { line: "get cert", says: [/^NAME +READY +SECRET +AGE$/m, /^web +web-tls +\d+s$/m] },
  { line: "get certs -o wide", says: [/^NAME +READY +SECRET +REPLICAS +AGE$/m, /^web +web-tls +1 +\d+s$/m] },
  { line: "get certificates.v1.certs.example.com web -o jsonpath={.spec.duration}", says: [/^2160h$/] },
  { line: "get cert --field-selector spec.secretName=web-tls -o name", says: ["certificate.certs.example.com/web"] },
  { line: "get cert --field-selector spec.secretName=other -o name", says: [/^$/] },
  { line: "get all", says: ["certificate.certs.example.com/web"] },
  {
    line: 'patch cert web --type=merge -p {"spec":{"secretName":"other"}}',
    says: ['The Certificate "web" is invalid: spec.secretName: Invalid value: "object": secretName is immutable'],
    code: 1,
  },
  {
    line: 'patch cert web --type=merge -p {"spec":{"issuerRef":{"kind":"Nobody"}}}',
    says: ['spec.issuerRef.kind: Unsupported value: "Nobody": supported values: "Issuer", "ClusterIssuer"'],
    code: 1,
  },
  {
    line: 'patch cert web --type=json -p [{"op":"add","path":"/spec/dnsNames/-","value":"b.example.com"}]',
    says: ["certificate.certs.example.com/web patched"],
  },
  {
    line: 'patch cert web --type=json -p [{"op":"add","path":"/spec/dnsNames/-","value":"b.example.com"}]',
    says: ['spec.dnsNames[2]: Duplicate value: "b.example.com"'],
    code: 1,
  },
  {
    line: 'patch cert web --subresource=status --type=merge -p {"status":{"conditions":[{"type":"Ready","status":"True"}]}}',
    says: ["patched"],
    real: true,
  },
  { line: "get cert web", says: [/^web +True +web-tls/m], real: true },
  { line: "scale cert/web --replicas=3", says: ["certificate.certs.example.com/web scaled"] },
  { line: "get cert web -o jsonpath={.spec.replicas}/{.metadata.generation}", says: [/^3\/3$/] },
  {
    line: "apply --server-side --force-conflicts -f -",
    input: WEB,
    says: ["certificate.certs.example.com/web serverside-applied"],
    real: true,
  },
  {
    line: "create -f -",
    input: WEB.replace("secretName: web-tls, ", "").replace("name: web", "name: bad"),
    says: ["spec.secretName: Required value"],
    code: 1,
  },
  {
    line: "create -f -",
    input: WEB.replace("dnsNames:", "dnsName: x, dnsNames:").replace("name: web", "name: odd"),
    says: ['unknown field "spec.dnsName"'],
    code: 1,
  },
  { line: "label cert web tier=front", says: ["labeled"] },
  { line: "describe cert web", says: ["Secret Name:", "web-tls"] },
  { line: "delete cert web", says: ['certificate.certs.example.com "web" deleted'] },
  { line: "apply -f -", input: WEB, says: ["certificate.certs.example.com/web created"] },
  { line: "delete crd certificates.certs.example.com", says: ['"certificates.certs.example.com" deleted'] },
  { line: "get cert", says: [/doesn't have a resource type "cert"|could not find the requested resource/], code: 1 },
];

describe.each<{ name: string; which?: Kubectl }>([
  ...endsOf(realKubectls()).map((which) => ({ name: which.version, which })),
  { name: "ours" },
])("kubectl $name", ({ which }) => {
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

  const run = (args: readonly string[], stdin = ""): Promise<Ran> =>
    which ? served.real(which, args, { stdin }) : served.kubectl(args, { stdin });

  test.each(story)("$line", async ({ line, says, code = 0, input, real }) => {
    if (real && !which) return;
    const ran = await run(line.split(" "), input);
    const output = ran.code === 0 ? ran.stdout : ran.stdout + ran.stderr;
    for (const expected of says) expect(output).toMatch(expected);
    expect(ran.code).toBe(code);
  });
});
