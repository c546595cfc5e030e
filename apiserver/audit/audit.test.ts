import { afterEach, expect, test } from "vitest";
import { type Pipeline, type RawRequest, startPipeline } from "../../e2e/harness/pipeline.ts";
import { readPolicy } from "./policy.ts";

let pipeline: Pipeline | undefined;
afterEach(() => pipeline?.close());

// biome-ignore lint/suspicious/noExplicitAny: events are looked into
type Event = any;

/** A server with this policy, and the events that it wrote about what was sent. */
async function audited(rules: string) {
  const lines: string[] = [];
  const sink = { lost: 0, write: (line: string) => void lines.push(line), close: async () => undefined };
  const policy = readPolicy(`apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n${rules}`, "policy");
  const started = await startPipeline({ audit: { policy, sink } });
  pipeline = started;
  return {
    pipeline: started,
    events: (): Event[] => lines.map((line) => JSON.parse(line)),
    async eventsOf(request: RawRequest): Promise<Event[]> {
      lines.length = 0;
      const { status } = await started.send({ ...request, headers: { "audit-id": "42", ...request.headers } });
      expect(status).toBeGreaterThan(0);
      return lines.map((line) => JSON.parse(line));
    },
  };
}

const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "one" }, data: { key: "value" } };
const maps = "/api/v1/namespaces/default/configmaps";

test("metadata of a create: who, what, when and how it ended", async () => {
  const { eventsOf } = await audited("- {level: Metadata, resources: [{resources: [configmaps]}]}");
  const events = await eventsOf({
    method: "POST",
    path: `${maps}?dryRun=All`,
    body: configMap,
    user: "ann",
    groups: ["system:masters"],
    headers: { "user-agent": "curl/8" },
  });
  expect(events.map(({ stage }) => stage)).toEqual(["RequestReceived", "ResponseComplete"]);
  expect(events[1]).toEqual({
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level: "Metadata",
    auditID: "42",
    stage: "ResponseComplete",
    requestURI: `${maps}?dryRun=All`,
    verb: "create",
    user: { username: "ann", groups: ["system:masters", "system:authenticated"] },
    sourceIPs: [],
    userAgent: "curl/8",
    objectRef: { resource: "configmaps", namespace: "default", name: "one", apiVersion: "v1" },
    responseStatus: { metadata: {}, code: 201 },
    requestReceivedTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    stageTimestamp: expect.stringMatching(/Z$/),
    annotations: { "authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "" },
  });
});

test("request and response as the level asks, without managed fields where they are omitted", async () => {
  const { eventsOf } = await audited(
    "- {level: RequestResponse, verbs: [create], omitManagedFields: true, omitStages: [RequestReceived]}\n- {level: Request, verbs: [update], omitStages: [RequestReceived]}",
  );
  const [created] = await eventsOf({ method: "POST", path: maps, body: configMap });
  expect(created.requestObject).toEqual(configMap);
  expect(created.responseObject.data).toEqual({ key: "value" });
  expect(created.responseObject.metadata.uid).toEqual(expect.any(String));
  expect(created.responseObject.metadata).not.toHaveProperty("managedFields");
  const [updated] = await eventsOf({ method: "PUT", path: `${maps}/one`, body: configMap });
  expect(updated.requestObject).toEqual(configMap);
  expect(updated).not.toHaveProperty("responseObject");
});

test("a refusal with its reason, and who forbade it", async () => {
  const { eventsOf } = await audited("- {level: Metadata, omitStages: [RequestReceived]}");
  const [event] = await eventsOf({ path: maps, user: "eve", groups: [] });
  expect(event.responseStatus).toEqual({
    metadata: {},
    status: "Failure",
    message:
      'configmaps is forbidden: User "eve" cannot list resource "configmaps" in API group "" in the namespace "default"',
    reason: "Forbidden",
    details: { kind: "configmaps" },
    code: 403,
  });
  expect(event.annotations["authorization.k8s.io/decision"]).toBe("forbid");
});

test("a bad token is told without a user", async () => {
  const { eventsOf } = await audited("- level: Metadata");
  const [event, ...more] = await eventsOf({
    path: maps,
    peer: { kind: "anonymous" },
    headers: { authorization: "Bearer no" },
  });
  expect(more).toEqual([]);
  expect(event).toMatchObject({ stage: "ResponseStarted", user: {}, responseStatus: { code: 401 } });
});

test("impersonation tells both users", async () => {
  const { eventsOf } = await audited("- {level: Metadata, omitStages: [RequestReceived]}");
  const [event] = await eventsOf({
    path: maps,
    user: "ann",
    headers: { "impersonate-user": "bob", "impersonate-group": "system:masters" },
  });
  expect(event).toMatchObject({ user: { username: "ann" }, impersonatedUser: { username: "bob" } });
});

test("what no rule matches is not written", async () => {
  const { eventsOf } = await audited("- {level: Metadata, users: [somebody]}");
  expect(await eventsOf({ path: maps })).toEqual([]);
});

test("a watch is told when it begins and when it ends", async () => {
  const { pipeline: server, events } = await audited(
    "- {level: Metadata, verbs: [watch], omitStages: [RequestReceived]}",
  );
  await server.send({ method: "POST", path: maps, body: configMap });
  const gone = new AbortController();
  for await (const _ of server
    .transport()
    .watch({ method: "GET", path: maps, query: { watch: "true" }, signal: gone.signal })) {
    expect(events().map(({ stage }) => stage)).toEqual(["ResponseStarted"]);
    break;
  }
  gone.abort();
  await expect.poll(() => events().map(({ stage }) => stage)).toEqual(["ResponseStarted", "ResponseComplete"]);
});
