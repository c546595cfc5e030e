/**
 * Kubectl: every command that a user types, by the oldest and the newest real kubectl and by ours, on one cluster.
 *
 * The story is told in order, in a namespace for each kubectl. Where ours and the real one both
 * exist, what they print must be equal to the letter. Streams have streams.e2e.ts.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, eventually, type Ran, startCluster } from "./harness/cluster.ts";
import { endsOf, type Kubectl, ours, realKubectls } from "./harness/kubectls.ts";
import { startKubectl } from "./harness/running.ts";

const web = join(import.meta.dirname, "..", "manifests", "samples", "web.yaml");
const ends = endsOf(realKubectls());
const newest = ends.at(-1);

interface Case {
  readonly line: string;
  /** All of them appear in what it prints, on either stream. */
  readonly says: readonly (string | RegExp)[];
  /** 0 unless told. */
  readonly code?: number;
  readonly input?: string;
  /** Not built into ours: left out there. */
  readonly real?: true;
}

const NAMED = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "typed" }, data: { a: "1" } });
const CHANGED = NAMED.replace('"1"', '"2"');

const story: readonly Case[] = [
  { line: "apply -f -", input: NAMED, says: ["configmap/typed created"] },
  { line: "apply -f -", input: NAMED, says: ["configmap/typed unchanged"] },
  { line: "diff -f -", input: CHANGED, says: [/^-\s+a: "1"$/m, /^\+\s+a: "2"$/m], code: 1 },
  { line: "apply -f -", input: CHANGED, says: ["configmap/typed configured"] },
  { line: "diff -f -", input: CHANGED, says: [/^$/] },
  { line: "apply --server-side -f -", input: CHANGED, says: ["configmap/typed serverside-applied"] },
  {
    line: "apply -f -",
    input: NAMED.replace("ConfigMap", "Nothing"),
    says: ['no matches for kind "Nothing"'],
    code: 1,
  },
  {
    line: "apply -f -",
    input: NAMED.replace('"data"', '"dota"'),
    says: ["strict decoding error", 'unknown field "dota"'],
    code: 1,
  },
  { line: "create -f -", input: NAMED, says: ['configmaps "typed" already exists'], code: 1 },
  { line: "create configmap made --from-literal=key=value", says: ["configmap/made created"] },
  { line: "create secret generic hidden --from-literal=key=value", says: ["secret/hidden created"] },
  { line: "get secret hidden -o jsonpath={.data.key}", says: [/^dmFsdWU=$/] },
  { line: "describe secret hidden", says: [/Type: +Opaque/, "key:  5 bytes"] },
  { line: "create deployment small --image=busybox:1.36 --replicas=1", says: ["deployment.apps/small created"] },
  {
    line: `apply -f ${web}`,
    says: ["configmap/web-page created", "deployment.apps/web created", "service/web created"],
  },
  { line: "rollout status deployment/web --timeout=60s", says: ['deployment "web" successfully rolled out'] },
  { line: "wait --for=condition=Available deployment/web --timeout=60s", says: ["deployment.apps/web condition met"] },
  {
    line: "wait --for=condition=Never deployment/web --timeout=1s",
    says: ["timed out waiting for the condition"],
    code: 1,
  },
  { line: "get deployments", says: [/NAME +READY +UP-TO-DATE +AVAILABLE +AGE/, /web +2\/2 +2 +2 /] },
  { line: "get deploy web -o wide", says: [/CONTAINERS +IMAGES +SELECTOR/, /nginx +nginx:1\.22 +app=web/] },
  { line: "get pods -l app=web", says: [/NAME +READY +STATUS +RESTARTS +AGE/, /web-\S+ +1\/1 +Running +0 /] },
  { line: "get pods -l app=web -o name", says: [/^(pod\/web-\S+\n){2}$/] },
  { line: "get pods -l app!=web,app -o name", says: [/^pod\/small-\S+\n$/] },
  { line: "get pods --field-selector=status.phase=Pending", says: ["No resources found in"] },
  { line: "get configmap typed -o yaml", says: ["kind: ConfigMap", /^ {2}a: "2"$/m] },
  { line: "get configmap typed -o json", says: ['"kind": "ConfigMap"', '"a": "2"'] },
  {
    line: "get configmaps -o custom-columns=NAME:.metadata.name --sort-by=.metadata.name",
    says: [/^NAME\nkube-root-ca\.crt\nmade\ntyped\nweb-page\n$/],
  },
  { line: "get all", says: [/pod\/web-/, "service/web", "deployment.apps/web", /replicaset\.apps\/web-/] },
  { line: "get nothing", says: [`the server doesn't have a resource type "nothing"`], code: 1 },
  { line: "get pod nobody", says: ['Error from server (NotFound): pods "nobody" not found'], code: 1 },
  {
    line: "get pods -o nothing",
    says: ['unable to match a printer suitable for the output format "nothing"'],
    code: 1,
  },
  {
    line: "describe deployment web",
    says: [/Replicas: +2 desired \| 2 updated \| 2 total \| 2 available/, "ScalingReplicaSet"],
  },
  { line: "describe pods -l app=web", says: [/Service Account: +default/, "Successfully assigned"] },
  { line: "describe service web", says: [/Selector: +app=web/, /TargetPort: +http\/TCP/] },
  { line: "describe configmap web-page", says: ["<h1>It works</h1>"] },
  { line: "describe replicaset -l app=web", says: [/Controlled By: +Deployment\/web/] },
  { line: "describe node", says: [/Roles: +<none>/, "Allocated resources:", /Ready +True/] },
  { line: "describe serviceaccount default", says: [/Name: +default/] },
  { line: "label deployment web colour=green", says: ["deployment.apps/web labeled"] },
  {
    line: "label deployment web colour=red",
    says: ["'colour' already has a value (green), and --overwrite is false"],
    code: 1,
  },
  { line: "label deployment web colour-", says: ["deployment.apps/web unlabeled"] },
  { line: "annotate deployment web note=this", says: [/deployment\.apps\/web annotated?/] },
  { line: `patch deployment web -p {"spec":{"replicas":3}}`, says: ["deployment.apps/web patched"] },
  { line: `patch deployment web --type=merge -p {"spec":{"replicas":2}}`, says: ["deployment.apps/web patched"] },
  {
    line: `patch deployment web --type=json -p [{"op":"replace","path":"/spec/replicas","value":3}]`,
    says: ["deployment.apps/web patched"],
  },
  {
    line: `patch deployment web -p {"spec":{"replicas":-1}}`,
    says: ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
    code: 1,
  },
  { line: "scale deployment/web --replicas=2", says: ["deployment.apps/web scaled"] },
  {
    line: "scale deployment/web --replicas=4 --current-replicas=7",
    says: ["Expected replicas to be 7, was 2"],
    code: 1,
  },
  { line: "set image deployment/web nginx=nginx:1.23", says: ["deployment.apps/web image updated"] },
  { line: "rollout status deployment/web --timeout=60s", says: ["successfully rolled out"] },
  { line: "rollout history deployment/web", says: [/REVISION +CHANGE-CAUSE/, /^1 +<none>$/m, /^2 +<none>$/m] },
  { line: "rollout history deployment/web --revision=1", says: [/Image:\s+nginx:1\.22/] },
  { line: "rollout pause deployment/web", says: ["deployment.apps/web paused"] },
  { line: "rollout undo deployment/web", says: ["cannot rollback a paused deployment"], code: 1 },
  { line: "rollout resume deployment/web", says: ["deployment.apps/web resumed"] },
  { line: "rollout undo deployment/web --to-revision=1", says: ["deployment.apps/web rolled back"] },
  { line: "rollout restart deployment/web", says: ["deployment.apps/web restarted"] },
  { line: "rollout status deployment/web --timeout=60s", says: ["successfully rolled out"] },
  { line: "events --for deployment/web", says: [/LAST SEEN +TYPE +REASON +OBJECT +MESSAGE/, "ScalingReplicaSet"] },
  { line: "get events --field-selector=reason=ScalingReplicaSet", says: ["deployment/web"] },
  { line: "auth can-i create deployments", says: [/^yes\n$/] },
  { line: "auth can-i create deployments --as=system:serviceaccount:default:default", says: [/^no/], code: 1 },
  { line: "create token default", says: [/^ey[\w-]+\.[\w-]+\.[\w-]+$/] },
  { line: "cluster-info", says: ["is running at", "https://127.0.0.1:"] },
  { line: "explain pods.spec.containers.livenessProbe.httpGet", says: ["<HTTPGetAction>", "port", "-required-"] },
  { line: "explain deployment --recursive", says: [/maxSurge\s+<IntOrString>/] },
  { line: "explain pods.spec.nothing", says: ['field "nothing" does not exist'], code: 1 },
  { line: "api-versions", says: [/^apps\/v1$/m, /^v1$/m, /^networking\.k8s\.io\/v1$/m] },
  {
    line: "api-resources",
    says: [/^deployments +deploy +apps\/v1 +true +Deployment$/m, /^nodes +no +v1 +false +Node$/m],
  },
  { line: "version", says: [/Server Version: .*v1\.36\.0/] },
  { line: "get --raw /healthz", says: [/^ok/] },
  { line: "delete pod nobody", says: ['pods "nobody" not found'], code: 1 },
  { line: "delete pod nobody --ignore-not-found", says: [/^$/] },
  { line: "run lone --image=busybox:1.36 --port=80 --expose", says: ["service/lone created", "pod/lone created"] },
  { line: "run lone --image=busybox:1.36", says: ['pods "lone" already exists'], code: 1 },
  { line: "wait --for=condition=Ready pod/lone --timeout=60s", says: ["pod/lone condition met"] },
  { line: "replace -f -", input: NAMED, says: ["configmap/typed replaced"] },
  { line: "replace --force -f -", input: CHANGED, says: ['configmap "typed" deleted', "configmap/typed replaced"] },
  { line: "autoscale deployment web --min=1 --max=4 --cpu-percent=80", says: ["/web autoscaled"] },
  { line: "delete hpa web", says: ['"web" deleted'] },
  { line: "debug lone --image=busybox:1.36 --target=lone -c beside", says: ['Targeting container "lone"'] },
  { line: "drain node-that-is-not --ignore-daemonsets", says: ['nodes "node-that-is-not" not found'], code: 1 },
  { line: "cp lone:/a lone:/b", says: ["must be a local file specification"], code: 1 },
  { line: "delete pod,service lone", says: ['pod "lone" deleted', 'service "lone" deleted'] },
  { line: "delete deployment web small", says: ['deployment.apps "web" deleted', 'deployment.apps "small" deleted'] },
  { line: "wait --for=delete pod -l app=web --timeout=60s", says: [] },
  { line: `delete -f ${web} --ignore-not-found`, says: ['service "web" deleted'] },
  { line: "delete configmap,secret --all", says: ['configmap "typed" deleted', 'secret "hidden" deleted'] },
];

/** Without events, whose ages differ within a second; how they are printed is compared in kubectl/real-kubectl.test.ts. */
const eventless = (ran: Ran): Ran => ({ ...ran, stdout: ran.stdout.replace(/^Events:.*\n(?:[ \t]+.*\n)*/gm, "") });

/** With a 0 for each digit of an age. */
const ageless = (ran: Ran): Ran => ({ ...ran, stdout: ran.stdout.replace(/\d(?=\d*[smhd](?:\d|\b))/g, "0") });

/** What ours must print as the newest real one does, about objects that stay. */
const equal: readonly string[] = [
  "get pods",
  "get pods -o wide",
  "get pods --show-labels",
  "get pods -L app",
  "get deployments,replicasets,services,configmaps -A",
  "get all -A",
  "get nodes -o wide",
  "get namespaces",
  "get endpointslices",
  "get serviceaccounts",
  "get deployment web -o yaml",
  "get deployment web -o json",
  "get deployment/web service/web",
  "get pods -o name",
  "get pods --no-headers",
  "get pods --sort-by=.metadata.creationTimestamp",
  "get clusterroles",
  "get leases -A",
  "get nothing",
  "get pods nobody",
  "describe deployment web",
  "describe replicasets",
  "describe pods",
  "describe service web",
  "describe configmap web-page",
  "describe node",
  "describe namespace default",
  "explain deployment.spec.strategy",
  "explain pod --recursive",
  "api-resources",
  "api-resources -o wide",
  "api-resources --namespaced=false -o name",
  "api-versions",
  "rollout status deployment/web",
  "rollout history deployment/web",
  "rollout history deployment/web --revision=1",
  "auth whoami",
  "cluster-info",
  `patch deployment web -p {"spec":{"replicas":2}}`,
  `patch deployment web --type=json -p [{"op":"remove","path":"/spec/nothing"}]`,
  `apply -f ${web}`,
  `diff -f ${web}`,
  "create namespace default",
  "create configmap web-page",
  "create deployment web --image=nginx:1.22",
  "create serviceaccount default",
  "label deployment web nothing-",
  "annotate deployment web nothing-",
  "delete pod nobody",
  "frobnicate",
  "run lone",
  "run Lone --image=nginx",
  "run lone --image=nginx --dry-run=server",
  "run lone --image=nginx --expose",
  "replace",
  `replace -f ${web}`,
  "replace -f nowhere.yaml",
  "autoscale deployment web",
  "autoscale deployment nothing --max=3",
  "autoscale configmap web-page --max=3",
  "cordon",
  "cordon nothing",
  "cordon --selector=a=b",
  "uncordon nothing",
  "drain",
  "drain nothing",
  "taint nodes",
  "taint nodes nothing a=b:NoSchedule",
  "taint nodes nothing a=b:Never",
  "taint pods web a=b:NoSchedule",
  "edit",
  "edit configmap nothing",
  "cp",
  "cp a b",
  "cp a: b",
  "cp a:/b c:/d",
  "debug",
  "debug nothing --image=busybox --profile=general",
  "debug service/web --image=busybox --profile=general",
];

describe("kubectl", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster("--simulated", "--separate");
  });
  afterAll(() => cluster?.down());

  /** Words are parted by spaces; none of the cases needs one inside. */
  const attempt = (kubectl: Kubectl, line: string, namespace: string, input?: string) =>
    cluster.tryKubectl(kubectl, [...line.split(" "), "--namespace", namespace], input);

  describe.each([...ends, ours])("$version", (kubectl) => {
    const namespace = `by-${kubectl.version.replace(".", "-")}`;
    const told = story.filter(({ real }) => !real || kubectl !== ours);

    test("a namespace of its own", async () => {
      expect(await cluster.kubectl(kubectl, ["create", "namespace", namespace])).toBe(
        `namespace/${namespace} created\n`,
      );
      await eventually("its default ServiceAccount", () =>
        cluster.kubectl(kubectl, ["get", "serviceaccount", "default", "-n", namespace]),
      );
    });

    test.each(told.map((one, index) => ({ ...one, index })))(
      "$index: $line",
      async ({ line, says, code = 0, input }) => {
        const ran = await attempt(kubectl, line, namespace, input);
        const printed = ran.stdout + ran.stderr;
        for (const text of says) {
          if (typeof text === "string") expect(printed).toContain(text);
          else expect(printed).toMatch(text);
        }
        expect(ran.code, printed).toBe(code);
      },
    );

    test("get -w shows changes as they come", async () => {
      await using watch = startKubectl(cluster, kubectl, ["get", "configmaps", "-w", "-n", namespace]);
      await watch.until("kube-root-ca.crt");
      await cluster.kubectl(ours, ["create", "configmap", "seen", "--from-literal=a=b", "-n", namespace]);
      await watch.until(/^seen +1 +/m);
    });

    test("its namespace goes, with everything in it", async () => {
      const said = await cluster.kubectl(kubectl, ["delete", "namespace", namespace, "--timeout=60s"]);
      expect(said).toContain(`namespace "${namespace}" deleted`);
      expect((await cluster.tryKubectl(kubectl, ["get", "namespace", namespace])).code).toBe(1);
    });
  });

  describe.skipIf(!newest)("ours prints what the real one prints", () => {
    test("something to print", async () => {
      await cluster.kubectl(ours, ["apply", "-f", web]);
      await cluster.kubectl(ours, ["rollout", "status", "deployment/web", "--timeout=60s"]);
    });

    // Ages go on between one answer and the other, and so do they in width at times: then both are asked again.
    test.each(equal)("%s", (line) =>
      eventually(line, async () => {
        const [real, mine] = await Promise.all([
          attempt(newest as Kubectl, line, "default"),
          attempt(ours, line, "default"),
        ]);
        const comparable = (ran: Ran) => ageless(line.startsWith("describe") ? eventless(ran) : ran);
        expect(comparable(mine)).toEqual(comparable(real));
      }),
    );
  });
});
