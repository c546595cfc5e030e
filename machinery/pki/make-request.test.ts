/** Requests written by hand: read by our reader and by the library, with every kind of name. */
import { describe, expect, test } from "vitest";
import { createSigningKey, library } from "./certificates.ts";
import { makeSigningRequest, type RequestedNames } from "./make-request.ts";
import { readSigningRequest } from "./signing-request.ts";

const cases: readonly [string, RequestedNames, { readonly addresses?: readonly string[] }][] = [
  ["a user alone", { commonName: "system:kube-proxy" }, {}],
  ["a node", { commonName: "system:node:n1", organizations: ["system:nodes"] }, {}],
  ["a name in UTF-8", { commonName: "Jürgen" }, {}],
  ["a long name", { commonName: `system:node:${"n".repeat(240)}`, organizations: ["system:nodes"] }, {}],
  ["many names", { commonName: "n", dnsNames: Array.from({ length: 40 }, (_, i) => `node-${i}.example`) }, {}],
  ["IPv4", { commonName: "n", dnsNames: ["n"], addresses: ["10.0.0.7"] }, { addresses: ["0a000007"] }],
  ["IPv6", { commonName: "n", addresses: ["fd00::7"] }, { addresses: [`fd00${"0".repeat(24)}0007`] }],
  ["IPv6 from the start", { commonName: "n", addresses: ["::1"] }, { addresses: ["1".padStart(32, "0")] }],
  [
    "IPv6 whole",
    { commonName: "n", addresses: ["1:2:3:4:5:6:7:8"] },
    { addresses: ["00010002000300040005000600070008"] },
  ],
  [
    "IPv6 with IPv4",
    { commonName: "n", addresses: ["::ffff:10.0.0.7"] },
    { addresses: ["00000000000000000000ffff0a000007"] },
  ],
];

describe("a certificate request", () => {
  test.each(cases)("for %s", async (_what, names, { addresses = [] }) => {
    const request = makeSigningRequest(await createSigningKey(), names);
    expect(readSigningRequest(request)).toMatchObject({
      commonName: names.commonName,
      organizations: names.organizations ?? [],
      dnsNames: names.dnsNames ?? [],
      addresses,
    });
    const x509 = await library();
    expect(await new x509.Pkcs10CertificateRequest(request).verify()).toBe(true);
  });
});
