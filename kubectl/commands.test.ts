/** Commands of kubectl against the real API server and controllers, over TLS, in this process. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import { type Ran, type Served, serve } from "../e2e/harness/served.ts";
import { systemClock } from "../machinery/process/clock.ts";

let cluster: Controlled;
let served: Served;
beforeAll(async () => {
  cluster = await startControlled();
  served = await serve(cluster.pipeline);
});
afterAll(async () => {
  await served?.close();
  await cluster?.close();
});

const kubectl = (...args: string[]): Promise<Ran> => served.kubectl(args);

/** What a successful run printed. */
async function out(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await kubectl(...args);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return stdout;
}

async function failure(...args: string[]): Promise<string> {
  const { code, stderr } = await kubectl(...args);
  expect(code).toBe(1);
  return stderr;
}

const file = async (name: string, text: string): Promise<string> => {
  await writeFile(join(served.directory, name), text);
  return name;
};

const web = (image: string, replicas: number) => `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "${image}", env: [{name: A, value: "1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
`;

describe("apply", () => {
  test("creates, then leaves unchanged, then configures what differs", async () => {
    const first = await file("web.yaml", web("nginx:1.25", 2));
    expect(await out("apply", "-f", first)).toBe("deployment.apps/web created\nservice/web created\n");
    expect(await out("apply", "-f", first)).toBe("deployment.apps/web unchanged\nservice/web unchanged\n");
    const second = await file("web2.yaml", web("nginx:1.26", 3));
    expect(await out("apply", "-f", second)).toBe("deployment.apps/web configured\nservice/web unchanged\n");
    expect(await out("get", "deploy", "web", "-o", "jsonpath={.spec.replicas} {..image}")).toBe("3 nginx:1.26");
  });

  test("what the manifest drops goes, what others set stays", async () => {
    const manifest = (data: string) => `{apiVersion: v1, kind: ConfigMap, metadata: {name: kept}, data: {${data}}}`;
    await out("apply", "-f", await file("kept.yaml", manifest("a: '1', b: '2'")));
    await out("patch", "cm", "kept", "-p", '{"data":{"other":"x"}}');
    await out("apply", "-f", await file("kept.yaml", manifest("a: '3'")));
    expect(JSON.parse(await out("get", "cm", "kept", "-o", "jsonpath={.data}"))).toEqual({ a: "3", other: "x" });
  });

  test("reads standard input, and a directory with its own below it", async () => {
    const text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: piped}}";
    expect((await served.kubectl(["apply", "-f", "-"], { stdin: text })).stdout).toBe("configmap/piped created\n");
  });

  test("one object that fails does not keep the others back", async () => {
    const text = `{apiVersion: v1, kind: ConfigMap, metadata: {name: Bad}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: good}}`;
    const { code, stdout, stderr } = await kubectl("apply", "-f", await file("mixed.yaml", text));
    expect([code, stdout]).toEqual([1, "configmap/good created\n"]);
    expect(stderr).toContain('The ConfigMap "Bad" is invalid: metadata.name: Invalid value: "Bad"');
  });

  test("unknown fields, unknown kinds, broken YAML and missing files are told", async () => {
    const pod = await file(
      "pod.yaml",
      "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, imag: x}]}}",
    );
    expect(await failure("apply", "-f", pod)).toContain(
      'strict decoding error: unknown field "spec.containers[0].imag"',
    );
    const foo = await file("foo.yaml", "{apiVersion: v1, kind: Foo, metadata: {name: f}}");
    expect(await failure("apply", "-f", foo)).toContain('no matches for kind "Foo" in version "v1"');
    expect(await failure("apply", "-f", await file("broken.yaml", "a: [b\n"))).toMatch(
      /^error: error parsing broken.yaml: /,
    );
    expect(await failure("apply", "-f", "nowhere.yaml")).toBe('error: the path "nowhere.yaml" does not exist\n');
    expect(await failure("apply", "-f", await file("none.yaml", "---\n"))).toBe("error: no objects passed to apply\n");
  });

  test("dry runs change nothing", async () => {
    const manifest = await file("dry.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: dry}}");
    expect(await out("apply", "-f", manifest, "--dry-run=client")).toBe("configmap/dry created (dry run)\n");
    expect(await out("apply", "-f", manifest, "--dry-run=server")).toBe("configmap/dry created (server dry run)\n");
    expect(await failure("get", "cm", "dry")).toBe('Error from server (NotFound): configmaps "dry" not found\n');
  });
});

describe("get", () => {
  test("of several types, of names, of nothing", async () => {
    const text = await out("get", "deploy,svc", "-l", "app=web");
    expect(text).toMatch(/^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\ndeployment.apps\/web /);
    expect(await out("get", "deploy/web", "service/web", "-o", "name")).toBe("deployment.apps/web\nservice/web\n");
    const none = await kubectl("get", "jobs");
    expect(none).toEqual({ code: 0, stdout: "", stderr: "No resources found in default namespace.\n" });
    expect((await kubectl("get", "jobs", "-A")).stderr).toBe("No resources found\n");
  });

  test("prints what is there before it tells what is not", async () => {
    const { code, stdout, stderr } = await kubectl("get", "svc", "web", "nope", "--no-headers");
    expect([code, stderr]).toEqual([1, 'Error from server (NotFound): services "nope" not found\n']);
    expect(stdout).toMatch(/^web +ClusterIP/);
  });

  test("watch shows what comes, and ends when it is stopped", async () => {
    const stop = new AbortController();
    const watching = served.kubectl(["get", "cm", "--watch-only", "-o", "name"], { signal: stop.signal });
    await systemClock.sleep(300);
    await out("create", "configmap", "watched");
    await systemClock.sleep(200);
    stop.abort(new Error("enough"));
    expect((await watching).stdout).toBe("configmap/watched\n");
  });

  test("mistakes are told in kubectl's words", async () => {
    expect(await failure("get", "foo")).toBe('error: the server doesn\'t have a resource type "foo"\n');
    expect(await failure("gte", "pods")).toContain(
      'error: unknown command "gte" for "kubectl"\n\nDid you mean this?\n\t',
    );
    expect(await failure("get", "pods", "--foo")).toBe(
      "error: unknown flag: --foo\nSee 'kubectl get --help' for usage.\n",
    );
    expect(await failure("get", "pods", "-o", "xx")).toContain(
      "unable to match a printer suitable for the output format",
    );
    expect(await failure("get", "pods", "a", "-l", "b=c")).toContain(
      "name cannot be provided when a selector is specified",
    );
  });
});

describe("rollouts", () => {
  test("status waits until the new Pods are there; history and undo know the old ones", async () => {
    expect(await out("rollout", "status", "deploy/web", "--timeout=20s")).toContain(
      'deployment "web" successfully rolled out\n',
    );
    await out("set", "image", "deploy/web", "web=nginx:1.27");
    await out("rollout", "status", "deploy/web", "--timeout=20s");
    expect(await out("rollout", "undo", "deploy/web")).toBe("deployment.apps/web rolled back\n");
    await out("rollout", "status", "deploy/web", "--timeout=20s");
    expect(await out("get", "deploy", "web", "-o", "jsonpath={..image}")).toBe("nginx:1.26");
    expect(await out("rollout", "history", "deploy/web")).toMatch(/^deployment.apps\/web \nREVISION {2}CHANGE-CAUSE\n/);
  });

  test.each(["statefulset", "daemonset"])("the history of a %s is kept, and undone", async (kind) => {
    const manifest = {
      apiVersion: "apps/v1",
      kind: kind === "daemonset" ? "DaemonSet" : "StatefulSet",
      metadata: { name: "kept", annotations: { "kubernetes.io/change-cause": "begun" } },
      spec: {
        selector: { matchLabels: { app: kind } },
        template: { metadata: { labels: { app: kind } }, spec: { containers: [{ name: "c", image: "a:1" }] } },
      },
    };
    const target = `${kind}/kept`;
    const subject = `${kind}.apps/kept`;
    await out("apply", "-f", await file(`${kind}.json`, JSON.stringify(manifest)));
    await out("rollout", "status", target, "--timeout=20s");
    expect(await failure("rollout", "undo", target)).toBe("error: no last revision to roll back to\n");
    await out("set", "image", target, "c=a:2");
    await out("rollout", "status", target, "--timeout=20s");
    expect(await out("rollout", "history", target)).toBe(
      `${subject} \nREVISION  CHANGE-CAUSE\n1         begun\n2         begun\n\n`,
    );
    expect(await out("rollout", "history", target, "--revision=1")).toContain(
      `${subject} with revision #1\nPod Template:\n  Labels:\tapp=${kind}\n`,
    );
    expect(await out("rollout", "undo", target)).toBe(`${subject} rolled back\n`);
    await out("rollout", "status", target, "--timeout=20s");
    expect(await out("get", target, "-o", "jsonpath={..template.spec.containers[0].image}")).toBe("a:1");
    expect(await out("rollout", "undo", target, "--to-revision=3")).toBe(
      `${subject} skipped rollback (current template already matches revision 3)\n`,
    );
    expect(await failure("rollout", "undo", target, "--to-revision=9")).toBe(
      "error: unable to find specified revision 9 in history\n",
    );
    await out("delete", target);
  });

  test("a paused one is not restarted, undone or paused again", async () => {
    await out("rollout", "pause", "deploy/web");
    expect(await failure("rollout", "pause", "deploy/web")).toBe('error: deployments.apps "web" is already paused\n');
    expect(await failure("rollout", "restart", "deploy/web")).toContain("can't restart paused deployment");
    await out("rollout", "resume", "deploy/web");
  });

  test("scale holds to its precondition, and wait to its condition", async () => {
    expect(await failure("scale", "deploy/web", "--replicas=1", "--current-replicas=9")).toContain(
      "Expected replicas to be 9, was 3",
    );
    expect(await out("scale", "deploy/web", "--replicas=1")).toBe("deployment.apps/web scaled\n");
    expect(await out("wait", "--for=jsonpath={.status.replicas}=1", "deploy/web")).toBe(
      "deployment.apps/web condition met\n",
    );
    expect(await failure("wait", "--for=condition=Nope", "deploy/web", "--timeout=100ms")).toContain(
      "timed out waiting for the condition on deployments/web",
    );
  });
});

describe("describe, explain, events", () => {
  test("a deployment with its replica sets and events", async () => {
    const text = await out("describe", "deploy", "web");
    expect(text).toMatch(/^Name: +web\nNamespace: +default\n/);
    expect(text).toMatch(/NewReplicaSet: +web-\w+ \(1\/1 replicas created\)/);
    expect(text).toMatch(/ {2}Normal {2}ScalingReplicaSet {2}/);
  });

  test("explain reads the server's OpenAPI", async () => {
    expect(await out("explain", "deploy.spec.replicas")).toMatch(
      /^GROUP: {6}apps\nKIND: {7}Deployment\nVERSION: {4}v1\n\nFIELD: replicas <integer>/,
    );
    expect(await failure("explain", "pod.spec.nope")).toContain('error: field "nope" does not exist');
  });

  test("events of one object", async () => {
    expect(await out("events", "--for", "deploy/web")).toMatch(/^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n/);
  });
});

describe("delete", () => {
  test("waits until it is gone, and says what is not there", async () => {
    await out("create", "configmap", "going");
    expect(await out("delete", "cm", "going")).toBe('configmap "going" deleted from default namespace\n');
    expect(await failure("get", "cm", "going")).toContain("not found");
    expect(await failure("delete", "cm", "going")).toBe('Error from server (NotFound): configmaps "going" not found\n');
    expect(await out("delete", "cm", "going", "--ignore-not-found")).toBe("");
    expect(await failure("delete", "pods")).toBe("error: resource(s) were provided, but no name was specified\n");
  });
});

test("trace tells from the apply to the containers, and who did each step", async () => {
  const text = await out("trace", "deploy/web");
  expect(text).toMatch(/\+0\.000s {2}deployment\.apps\/web created, by kubernetes-admin \(#\d+\)\n/);
  expect(text).toMatch(/replicaset\.apps\/web-\w+ created, by deployment-controller/);
  expect(text).toMatch(/pod\/web-\w+-\w+ created, by replicaset-controller/);
  expect(text).toMatch(/pod template changed \(image of web: nginx:1\.26 ► nginx:1\.27\), by kubernetes-admin/);
  const pod = (await out("get", "pods", "-l", "app=web", "-o", "name")).trim();
  const upwards = await out("trace", pod);
  expect(upwards).toMatch(/deployment\.apps\/web [^\n]*by kubernetes-admin/);
});

test("trace knows what is gone, and says where history begins after a compaction", async () => {
  await out("create", "configmap", "brief");
  await out("delete", "cm", "brief");
  const gone = await out("trace", "cm/brief");
  expect(gone).toMatch(
    /configmap\/brief created, by kubernetes-admin[^\n]*\n[^\n]*configmap\/brief deleted, by kubernetes-admin/,
  );

  const { store } = cluster.pipeline;
  await store.compact(await store.revision());
  const text = await out("trace", "deploy/web");
  expect(text).toMatch(/deployment\.apps\/web as it was in the oldest version kept, by [\w-]+ \(#\d+/);
  expect(text).toMatch(/History begins after #\d+: what was written before has been compacted/);
  expect(await failure("trace", "cm/brief")).toContain('configmaps "brief" not found');
});

test("generators make what they promise", async () => {
  expect(await out("create", "deployment", "made", "--image=x:1", "--dry-run=client", "-o", "yaml")).toContain(
    "image: x:1",
  );
  expect(await out("create", "secret", "generic", "s", "--from-literal=a=b")).toBe("secret/s created\n");
  expect(await out("get", "secret", "s", "-o", "jsonpath={.data.a}")).toBe("Yg==");
  expect(await failure("create", "secret", "generic", "s")).toContain('secrets "s" already exists');
});

test("a server that is not there is told", async () => {
  expect(await failure("get", "pods", "--server=https://127.0.0.1:1", "--insecure-skip-tls-verify")).toBe(
    "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n",
  );
});
