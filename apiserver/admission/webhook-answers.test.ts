/** Answers of admission webhooks: yes, no, and everything that is neither. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { patchOf, type Responder } from "../../e2e/harness/webhook-server.ts";
import { startWebhooked, type Webhooked } from "../../e2e/harness/webhooked.ts";

let server: Webhooked;
beforeAll(async () => {
  server = await startWebhooked();
});
beforeEach(() => server.reset());
afterAll(() => server.close());

const send: Webhooked["send"] = (...request) => server.send(...request);
const create: Webhooked["create"] = (...what) => server.create(...what);

interface AnswerCase {
  readonly webhook?: object;
  readonly says?: Responder;
  readonly status: number;
  readonly reason?: string;
  readonly message?: RegExp;
}

const failing = (why: string) =>
  new RegExp(`^Internal error occurred: failed calling webhook "h0.v.example.com": ${why}`);
const at = "https://127.0.0.1:\\d+/v/0\\?timeout=5s";

const answers: readonly (readonly [string, AnswerCase])[] = [
  ["yes", { status: 201 }],
  [
    "no",
    {
      says: () => ({ allowed: false, status: { message: "not today" } }),
      status: 400,
      message: /^admission webhook "h0.v.example.com" denied the request: not today$/,
    },
  ],
  [
    "no with a code and reason",
    {
      says: () => ({ allowed: false, status: { code: 403, reason: "Forbidden", message: "never" } }),
      status: 403,
      reason: "Forbidden",
      message: /denied the request: never$/,
    },
  ],
  [
    "no without a word",
    { says: () => ({ allowed: false }), status: 400, message: /denied the request without explanation$/ },
  ],
  [
    "no with a code that would be yes",
    {
      says: () => ({ allowed: false, status: { code: 200, reason: "Odd" } }),
      status: 400,
      reason: "Odd",
      message: /denied the request: Odd$/,
    },
  ],
  [
    "as another review",
    {
      says: () => ({ allowed: true, uid: "x" }),
      status: 500,
      reason: "InternalError",
      message: failing('received invalid webhook response: expected response.uid="[0-9a-f-]+", got "x"$'),
    },
  ],
  [
    "in another version",
    {
      says: () => ({ allowed: true, review: { apiVersion: "admission.k8s.io/v2" } }),
      status: 500,
      message: failing(
        "received invalid webhook response: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got admission.k8s.io/v2, Kind=AdmissionReview$",
      ),
    },
  ],
  [
    "nothing",
    {
      says: () => ({ review: { response: null } }),
      status: 500,
      message: failing("received invalid webhook response: webhook response was absent$"),
    },
  ],
  [
    "a patch where none may be",
    {
      says: () => patchOf({ op: "add", path: "/data/x", value: "y" }),
      status: 500,
      message: failing("received invalid webhook response: validating webhook may not return response.patch$"),
    },
  ],
  [
    "500",
    {
      says: () => ({ code: 500, text: "oops" }),
      status: 500,
      message: failing(
        'failed to call webhook: an error on the server \\("oops"\\) has prevented the request from succeeding$',
      ),
    },
  ],
  [
    "404",
    {
      says: () => ({ code: 404, text: "" }),
      status: 500,
      message: failing("failed to call webhook: the server could not find the requested resource$"),
    },
  ],
  [
    "no JSON",
    {
      says: () => ({ code: 200, text: "hello" }),
      status: 500,
      message: failing("failed to call webhook: couldn't get version/kind; json parse error:"),
    },
  ],
  [
    "too late",
    {
      webhook: { timeoutSeconds: 1 },
      says: () => undefined,
      status: 500,
      message: failing(
        'failed to call webhook: Post "https://127.0.0.1:\\d+/v/0\\?timeout=1s": context deadline exceeded$',
      ),
    },
  ],
  [
    "not at all, which may be ignored",
    { webhook: { clientConfig: { url: "https://127.0.0.1:1/" }, failurePolicy: "Ignore" }, status: 201 },
  ],
  [
    "not at all",
    {
      webhook: { clientConfig: { url: "https://127.0.0.1:1/x" } },
      status: 500,
      message: failing(
        'failed to call webhook: Post "https://127.0.0.1:1/x\\?timeout=5s": dial tcp 127.0.0.1:1: connect: connection refused$',
      ),
    },
  ],
  [
    "not at all, being no Service",
    {
      webhook: { clientConfig: { service: { namespace: "default", name: "nobody", path: "/p" } } },
      status: 500,
      message: failing(
        'failed to call webhook: Post "https://nobody.default.svc:443/p\\?timeout=5s": service "nobody" not found$',
      ),
    },
  ],
];

describe("what it answers", () => {
  test.each(answers)("%s", async (_name, { webhook = {}, says, status, reason, message }) => {
    await server.configure("validating", "v", webhook);
    if (says) server.hook.respond(says);
    const { status: code, value } = await create();
    expect([code, value.message]).toEqual([status, message ? expect.stringMatching(message) : undefined]);
    if (status >= 400) expect(value.reason).toBe(reason ?? (status === 500 ? "InternalError" : undefined));
  });

  test("from a certificate that nobody trusts", async () => {
    await server.configure("validating", "v", { clientConfig: { url: server.hook.url("/v/0") } });
    const why = "tls: failed to verify certificate: x509: certificate signed by unknown authority$";
    expect((await create()).value.message).toMatch(failing(`failed to call webhook: Post "${at}": ${why}`));
  });

  test("with warnings", async () => {
    await server.configure("validating", "v", {});
    server.hook.respond(() => ({ allowed: true, warnings: ["mind the gap"] }));
    expect((await create()).headers["warning"]).toEqual(['299 - "mind the gap"']);
  });

  test("to a condition that cannot be evaluated", async () => {
    const matchConditions = [{ name: "c", expression: "object.data.nothing == 'x'" }];
    await server.configure("validating", "v", { matchConditions });
    const { status, value } = await create({ name: "cond" });
    expect(status).toBe(403);
    expect(value.message).toContain('configmaps "cond" is forbidden: ');
    expect(server.hook.asked).toEqual([]);
  });

  test("of several at once: the first no in their order, after all have answered", async () => {
    await server.configure("validating", "v", {}, {}, {});
    let waiting = 0;
    server.hook.respond(async (_request, path) => {
      waiting++;
      while (waiting < 3) await server.pipeline.clock.sleep(2);
      if (path.startsWith("/v/1")) await server.pipeline.clock.sleep(30);
      return { allowed: path.startsWith("/v/0"), status: { message: path.slice(0, 4) } };
    });
    expect((await create()).value.message).toBe('admission webhook "h1.v.example.com" denied the request: /v/1');
  });
});

test("what webhooks did is counted", async () => {
  await server.configure("validating", "v", { failurePolicy: "Ignore" });
  server.hook.respond(() => ({ allowed: false, status: { code: 409 } }));
  await create();
  const text = (await send("GET", "/metrics")).value as string;
  const labels = 'name="h0.v.example.com",type="validating",operation="CREATE"';
  expect(text).toContain(
    `apiserver_admission_webhook_rejection_count{${labels},error_type="no_error",rejection_code="409"} 1`,
  );
  expect(text).toContain(`apiserver_admission_webhook_request_total{${labels},code="409",rejected="true"} 1`);
  expect(text).toMatch(/apiserver_admission_webhook_fail_open_count\{name="h0.v.example.com",type="validating"\} \d/);
  expect(text).toContain(`apiserver_admission_webhook_admission_duration_seconds_count{${labels},rejected="true"}`);
});
