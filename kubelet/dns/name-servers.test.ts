import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { customServers, machineServers, noCustomServers, parseServer, serversFor } from "./name-servers.ts";

const at = (address: string, port = 53) => ({ address, port });

test.each([
  ["192.0.2.1", at("192.0.2.1")],
  ["192.0.2.1:5353", at("192.0.2.1", 5353)],
  ["192.0.2.1#5353", at("192.0.2.1", 5353)],
  ["2001:db8::1", at("2001:db8::1")],
  ["[2001:db8::1]:5353", at("2001:db8::1", 5353)],
  ["example.com", undefined],
  ["192.0.2.1:0", undefined],
  ["192.0.2.1:70000", undefined],
  ["", undefined],
])("name server %j", (text, wanted) => {
  expect(parseServer(text)).toEqual(wanted);
});

test("stub domains: the longest one decides, and all else goes to the machine's servers", () => {
  const custom = customServers({
    data: { stubDomains: '{"acme.local": ["192.0.2.1"], "db.acme.local.": ["192.0.2.2:5353"]}' },
  });
  const servers = (name: string) => serversFor(name, custom, [at("192.0.2.9")]);
  expect(custom.problems).toEqual([]);
  expect(servers("www.acme.local")).toEqual([at("192.0.2.1")]);
  expect(servers("acme.local")).toEqual([at("192.0.2.1")]);
  expect(servers("A.DB.acme.LOCAL")).toEqual([at("192.0.2.2", 5353)]);
  expect(servers("notacme.local")).toEqual([at("192.0.2.9")]);
  expect(servers("example.com")).toEqual([at("192.0.2.9")]);
});

test("upstream servers of the ConfigMap replace the machine's", () => {
  const custom = customServers({ data: { upstreamNameservers: '["192.0.2.3"]' } });
  expect(serversFor("example.com", custom, [at("192.0.2.9")])).toEqual([at("192.0.2.3")]);
});

test.each([
  [{ stubDomains: "{" }, "stubDomains must be JSON"],
  [{ stubDomains: "[]" }, "stubDomains must be an object"],
  [{ stubDomains: '{"a.b": "192.0.2.1"}' }, "stubDomains of a.b must be a list of addresses"],
  [{ stubDomains: '{"a.b": ["dns.example"]}' }, 'stubDomains of a.b: "dns.example" must be ADDRESS or ADDRESS:PORT'],
  [{ upstreamNameservers: "192.0.2.1" }, "upstreamNameservers must be JSON"],
])("what is wrong in the ConfigMap is told and left out: %j", (data, problem) => {
  const custom = customServers({ data });
  expect(custom.problems).toEqual([problem]);
  expect(serversFor("x.a.b", custom, [at("192.0.2.9")])).toEqual([at("192.0.2.9")]);
});

test("no ConfigMap means the machine's servers", () => {
  expect(customServers(undefined)).toEqual(noCustomServers);
});

test("the machine's servers: loopback stubs and ourselves left out, changes taken up", async () => {
  const directory = mkdtempSync(join(tmpdir(), "k8ts-resolv-"));
  try {
    const files = { main: join(directory, "main"), behindStub: join(directory, "stub") };
    const clock = fakeClock();
    const servers = machineServers(["10.42.0.1"], clock, files);
    expect(servers()).toEqual([]);
    writeFileSync(files.main, "nameserver 127.0.0.53\noptions edns0\n");
    writeFileSync(files.behindStub, "nameserver 10.42.0.1\nnameserver 192.0.2.7\n");
    expect(servers()).toEqual([]); // not looked at again so soon
    await clock.advance(6_000);
    expect(servers()).toEqual([at("192.0.2.7")]);
    writeFileSync(files.main, "nameserver 127.0.0.1\n");
    writeFileSync(files.behindStub, "nameserver 10.42.0.1\n");
    await clock.advance(6_000);
    expect(servers()).toEqual([at("127.0.0.1")]); // nothing else answers on this machine
    writeFileSync(files.main, "nameserver 192.0.2.8\nnameserver 2001:db8::1\n");
    await clock.advance(6_000);
    expect(servers()).toEqual([at("192.0.2.8"), at("2001:db8::1")]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
